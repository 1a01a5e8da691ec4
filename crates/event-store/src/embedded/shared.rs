//! What the threads of one store share.

use super::{
    EmbeddedOptions,
    heads::{ByDevice, Heads},
};
use crate::{Checkpoint, EventLabel, Metrics, Subscriber};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, EventType, SHELVES};
use fieldwatch_segment_log::{LogReader, free_bytes};
use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::counter::Counter;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// What the threads of one store share.
pub(super) struct Shared {
    pub(super) options: EmbeddedOptions,
    pub(super) numbers: Arc<DeviceNumbers>,
    pub(super) log: LogReader,
    pub(super) log_id: String,
    pub(super) heads: Heads,
    pub(super) committed: Mutex<Committed>,
    pub(super) forgotten: RwLock<ByDevice<Forgetting>>,
    pub(super) shelves: Box<[ShelfMarks]>,
    /// Position of the newest event that was announced.
    pub(super) newest: AtomicU64,
    /// Whether heads and checkpoints are those of the log.
    pub(super) recovered: AtomicBool,
    pub(super) trouble: Mutex<Option<Trouble>>,
    pub(super) subscribers: RwLock<Vec<Subscriber>>,
    pub(super) metrics: Metrics,
    /// The counters of [`Metrics::events`], by the order of [`EventType`].
    pub(super) counters: Vec<Counter>,
}

/// What is true at one end of the log; changed as one.
#[derive(Default)]
pub(super) struct Committed {
    /// The log's end.
    pub(super) end: u64,
    /// How far each partition has been decided.
    pub(super) checkpoints: BTreeMap<u16, Box<[u8]>>,
    /// Position of the newest event; 0: none.
    pub(super) newest: u64,
}

impl Committed {
    pub(super) fn checkpoints(&self) -> Vec<Checkpoint> {
        let all = self.checkpoints.iter();
        all.map(|(partition, progress)| Checkpoint { partition: *partition, progress: progress.clone() }).collect()
    }
}

/// That a device was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forgetting {
    /// Position of its last `DeviceHasBeenForgotten`: nothing from before it may be told.
    pub(super) position: u64,
    /// Whether everything from before it is physically gone.
    pub(super) erased: bool,
}

/// How far a shelf is saved, and wants to be.
#[derive(Default)]
pub(super) struct ShelfMarks {
    /// Its snapshot holds everything before this address; 0: there is none.
    pub(super) as_of: AtomicU64,
    /// A snapshot older than this address should be made anew, because something before it is to be removed.
    pub(super) wanted_at: AtomicU64,
}

/// What is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The disk is nearly full. Passes when there is space.
    LittleSpace(String),
    /// The last commit failed, and the next may succeed.
    Failing(String),
    /// It has stopped for good.
    Stopped(String),
}

impl Shared {
    pub(super) fn new(options: EmbeddedOptions, numbers: Arc<DeviceNumbers>, log: LogReader) -> Self {
        let metrics = Metrics::default();
        let counter = |event_type: EventType| metrics.events.get_or_create(&EventLabel { r#type: event_type.name() }).clone();
        let counters = EventType::ALL.into_iter().map(counter).collect();
        Self {
            options,
            numbers,
            log_id: log.log_id().to_string(),
            heads: Heads::default(),
            committed: Mutex::new(Committed { end: log.end(), ..Committed::default() }),
            forgotten: RwLock::default(),
            shelves: (0..SHELVES).map(|_| ShelfMarks::default()).collect(),
            newest: AtomicU64::new(0),
            recovered: AtomicBool::new(false),
            trouble: Mutex::new(None),
            subscribers: RwLock::default(),
            log,
            metrics,
            counters,
        }
    }

    /// Whether a record at this position is from before its device was forgotten.
    pub(super) fn is_forgotten(&self, device: DeviceNumber, position: u64) -> bool {
        self.forgotten.read().get(&device).is_some_and(|forgotten| position < forgotten.position)
    }

    /// The address before which a shelf's snapshot holds everything; 0 without a snapshot.
    pub(super) fn as_of(&self, shelf: usize) -> u64 {
        self.shelves[shelf].as_of.load(Ordering::Acquire)
    }

    pub(super) fn snapshots_dir(&self) -> PathBuf {
        self.options.dir.join("snapshots")
    }

    /// Whether the disk has as little space left as the settings say is too little.
    pub(super) fn little_space(&self) -> Option<String> {
        let least = self.options.least_free_bytes;
        match free_bytes(&self.options.dir) {
            Ok(free) if free < least => Some(format!("only {free} bytes are free on its disk, {least} are wanted")),
            Ok(_) => None,
            Err(error) => {
                // The commit itself will tell whether there is space.
                tracing::warn!(%error, "cannot ask how much space is free");
                None
            }
        }
    }
}

impl Trouble {
    /// What is wrong, for people.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::LittleSpace(reason) | Self::Failing(reason) | Self::Stopped(reason) => reason,
        }
    }
}
