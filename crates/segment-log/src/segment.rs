//! One segment file, as readers see it.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{frame_index::FrameIndex, listing::Link};

/// Base, file and known frames of one segment. The file is opened when it is first read.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: u64,
    pub(crate) path: PathBuf,
    pub(crate) created_ms: i64,
    pub(crate) frames: FrameIndex,
    file: Mutex<Option<Arc<File>>>,
}

impl Segment {
    pub(crate) fn new(base: u64, path: PathBuf, created_ms: i64) -> Self {
        Self { base, path, created_ms, frames: FrameIndex::default(), file: Mutex::new(None) }
    }

    /// The open file, and whether this call opened it.
    pub(crate) fn file(&self) -> io::Result<(Arc<File>, bool)> {
        let mut slot = self.slot();
        if let Some(file) = &*slot {
            return Ok((Arc::clone(file), false));
        }
        let file = Arc::new(File::open(&self.path)?);
        *slot = Some(Arc::clone(&file));
        Ok((file, true))
    }

    /// Closes the file once those who read it now are done. It opens again when needed.
    pub(crate) fn close(&self) {
        *self.slot() = None;
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<File>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&Link> for Segment {
    fn from(link: &Link) -> Self {
        Self::new(link.header.base, link.path.clone(), link.header.created_ms)
    }
}
