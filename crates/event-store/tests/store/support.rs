//! A store in a temporary folder.

use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{
    BoxFuture, EmbeddedOptions, EmbeddedStore, EventStore,
    conformance::{Opened, Place},
};
use fieldwatch_segment_log::SyncMode;
use std::{path::Path, sync::Arc};

/// A temporary folder with an embedded store in small segments.
pub(crate) struct Folder {
    dir: tempfile::TempDir,
    options: EmbeddedOptions,
    segment_bytes: u64,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self::with_segments(16 << 10)
    }

    pub(crate) fn with_segments(segment_bytes: u64) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let options = options(dir.path());
        Self { dir, options, segment_bytes }
    }

    /// The same folder with other settings.
    pub(crate) fn set(mut self, change: impl FnOnce(&mut EmbeddedOptions)) -> Self {
        change(&mut self.options);
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn open_now(&self) -> Opened {
        let numbers = Arc::new(DeviceNumbers::default());
        let store: Arc<dyn EventStore> =
            EmbeddedStore::open_with_segments(self.options.clone(), self.segment_bytes, Arc::clone(&numbers))
                .expect("open the store");
        Opened { store, numbers }
    }
}

impl Place for Folder {
    fn open(&self) -> BoxFuture<'_, Opened> {
        Box::pin(async { self.open_now() })
    }
}

/// What these tests prove does not depend on the disk, which may be slow to sync.
pub(crate) fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        dir: dir.to_path_buf(),
        sync: SyncMode::Never,
        retention: None,
        least_free_bytes: 0,
        snapshot_every_bytes: 64 << 20,
    }
}
