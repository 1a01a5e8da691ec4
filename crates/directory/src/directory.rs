//! The rows of all devices.

use crate::{Counts, DeviceRow, DeviceView, ListPage, ListQuery};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, Timestamp};
use fieldwatch_event_store::{Recovered, Stored};
use std::{sync::Arc, time::Duration};

/// Tells the wall clock's time.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How the directory is kept.
#[derive(Clone)]
pub struct DirectoryOptions {
    /// After so long without a reading a device is idle; `None`: never.
    pub idle_after: Option<Duration>,
    /// Tells the time against which `idle_after` is held.
    pub clock: WallClock,
}

/// Where every device is now.
pub struct Directory {}

impl Directory {
    /// An empty one.
    pub fn new(_options: DirectoryOptions, _numbers: Arc<DeviceNumbers>) -> Self {
        unimplemented!()
    }

    /// Takes what the store's recovery came across; may be called by several threads for different shelves.
    pub fn recovered(&self, _recovered: &Recovered<'_>) {
        unimplemented!()
    }

    /// Says that recovery is over, and which event was the newest.
    pub fn caught_up(&self, _newest: u64) {
        unimplemented!()
    }

    /// Takes a batch that was stored. To be called in the order of the log, by one thread.
    pub fn apply(&self, _stored: &Stored) {
        unimplemented!()
    }

    /// Position of the newest event that is in it.
    pub fn position(&self) -> u64 {
        unimplemented!()
    }

    /// One device by id; `None` when it is unknown or was forgotten.
    pub fn find(&self, _id: &str) -> Option<DeviceView> {
        unimplemented!()
    }

    /// The values of one device; `None` when it is unknown or was forgotten.
    pub fn row(&self, _device: DeviceNumber) -> Option<DeviceRow> {
        unimplemented!()
    }

    /// Whether a device has one of these labels.
    pub fn has_label(&self, _device: DeviceNumber, _labels: &[String]) -> bool {
        unimplemented!()
    }

    /// All known devices of one shelf with their values, for snapshots.
    pub fn shelf(&self, _shelf: usize) -> Vec<(DeviceNumber, DeviceRow)> {
        unimplemented!()
    }

    /// Answers a list. Looks at every device, so it takes time in proportion to all of them: call it where that may block.
    pub fn list(&self, _query: &ListQuery) -> ListPage {
        unimplemented!()
    }

    /// How many devices have which status.
    pub fn counts(&self) -> Counts {
        unimplemented!()
    }

    /// Looks for devices that have become idle since the last call, marks them and gives them. To be called from time to
    /// time ([`Directory::idle_interval`]).
    pub fn mark_idle(&self) -> Vec<DeviceNumber> {
        unimplemented!()
    }

    /// How often [`Directory::mark_idle`] wants to be called; `None`: never.
    pub fn idle_interval(&self) -> Option<Duration> {
        unimplemented!()
    }
}
