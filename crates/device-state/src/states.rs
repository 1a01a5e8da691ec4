//! All devices of this process, before and while they run.

use crate::{Commands, Metrics};
use fieldwatch_broker::{DeadLetters, ReadingQueue};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, Rules, Timestamp};
use fieldwatch_event_store::{Checkpoint, EventStore, Recovered};
use std::{sync::Arc, time::Duration};

/// Tells the wall clock's time. Waiting and silence are measured on tokio's monotonic clock instead.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How devices are kept.
#[derive(Clone)]
pub struct StateOptions {
    /// By which readings are judged.
    pub rules: Rules,
    /// After so long without a reading a device is passivated; `None`: never.
    pub idle_after: Option<Duration>,
    /// After so long without a reading a device is silent; `None`: never.
    pub silent_after: Option<Duration>,
    /// Whether repeats are recognised; anything but `true` is for proving the tests.
    pub recognise_repeats: bool,
    /// How many shards there are, each a thread.
    pub shards: usize,
    /// Tells the time of recording.
    pub clock: WallClock,
    /// The turn of a device with this id panics: for tests of that.
    pub panics_on: Option<String>,
}

/// All devices, as far as they are restored, before they start.
pub struct DeviceStates {}

/// Why devices could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The queue does not give its entries.
    #[error("the queue cannot be consumed")]
    Queue(#[from] fieldwatch_broker::ConsumeError),
    /// No thread could be started.
    #[error("no thread can be started")]
    Thread(#[from] std::io::Error),
}

impl DeviceStates {
    /// None yet.
    pub fn new(_options: StateOptions, _numbers: Arc<DeviceNumbers>) -> Self {
        unimplemented!()
    }

    /// Takes what the store's recovery came across; may be called by several threads for different shelves.
    pub fn recovered(&self, _recovered: &Recovered<'_>) {
        unimplemented!()
    }

    /// Starts the shards. `decided` is what the store's recovery gave.
    ///
    /// # Errors
    /// When the queue cannot be consumed or a thread cannot be started; nothing runs then.
    pub fn start(
        self,
        _store: Arc<dyn EventStore>,
        _queue: &Arc<dyn ReadingQueue>,
        _dead_letters: Arc<DeadLetters>,
        _decided: &[Checkpoint],
    ) -> Result<Running, StartError> {
        unimplemented!()
    }
}

/// The running shards.
pub struct Running {}

impl Running {
    /// Where commands wait for their devices.
    pub fn commands(&self) -> &Commands {
        unimplemented!()
    }

    /// Its metrics, to be registered by whoever serves them.
    pub fn metrics(&self) -> &Metrics {
        unimplemented!()
    }

    /// The mailboxes of active devices, the longest first, at most `most`: how many entries in hand wait for each.
    pub fn mailboxes(&self, _most: usize) -> Vec<(DeviceNumber, u64)> {
        unimplemented!()
    }

    /// How many devices are active in memory, that is, not passivated.
    pub fn active(&self) -> u64 {
        unimplemented!()
    }

    /// What is wrong with a shard, for people; `None` when all work.
    pub fn trouble(&self) -> Option<String> {
        unimplemented!()
    }

    /// Finishes the batches in hand, saves snapshots of what has changed, and ends the shards; at the deadline it stops
    /// where it is, which loses nothing: what is not stored is still in the queue.
    pub async fn stop(&self, _deadline: Duration) {
        unimplemented!()
    }
}
