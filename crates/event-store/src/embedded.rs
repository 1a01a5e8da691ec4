//! The event store that lives in the data folder.

use crate::{
    AppendError, Batch, BoxFuture, DeviceState, EventStore, EventsPage, HistoryPage, Metrics, ReadError, RecoverError, Recovered,
    Recovery, ShelfSnapshot, StoreHealth, Stored,
};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers};
use fieldwatch_segment_log::SyncMode;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How the embedded store is kept.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Its folder, made if absent. The caller holds the lock of the data folder.
    pub dir: PathBuf,
    /// Whether a commit waits for the disk; anything but `Durable` is for proving the tests.
    pub sync: SyncMode,
    /// How long events are kept; `None`: forever.
    pub retention: Option<Duration>,
    /// Below so many free bytes on the disk batches are refused, and accepted again above it.
    pub least_free_bytes: u64,
    /// A shelf wants a snapshot when the log has grown by so many bytes since its last one.
    pub snapshot_every_bytes: u64,
}

/// The event store that lives in the data folder.
pub struct EmbeddedStore {
    _numbers: Arc<DeviceNumbers>,
}

/// Why the store could not be opened.
pub use crate::store::RecoverError as OpenError;

impl EmbeddedStore {
    /// Opens the store, or begins one. Starts its threads; they end when the last reference is dropped.
    pub fn open(_options: EmbeddedOptions, _numbers: Arc<DeviceNumbers>) -> Result<Arc<Self>, OpenError> {
        unimplemented!()
    }
}

impl EventStore for EmbeddedStore {
    fn kind(&self) -> &'static str {
        unimplemented!()
    }
    fn log_id(&self) -> &str {
        unimplemented!()
    }
    fn newest(&self) -> u64 {
        unimplemented!()
    }
    fn recover<'a>(&'a self, _visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        unimplemented!()
    }
    fn append(&self, _batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        unimplemented!()
    }
    fn subscribe(&self, _subscriber: Box<dyn Fn(&Arc<Stored>) + Send + Sync>) {
        unimplemented!()
    }
    fn load(&self, _device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        unimplemented!()
    }
    fn history(&self, _device: DeviceNumber, _before: Option<u64>, _limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        unimplemented!()
    }
    fn read_all(&self, _after: u64, _limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        unimplemented!()
    }
    fn wants_snapshot(&self, _shelf: usize) -> bool {
        unimplemented!()
    }
    fn save_snapshot(&self, _snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        unimplemented!()
    }
    fn health(&self) -> StoreHealth {
        unimplemented!()
    }
    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        unimplemented!()
    }
    fn metrics(&self) -> &Metrics {
        unimplemented!()
    }
}
