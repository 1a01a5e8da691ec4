//! What every event store promises.

use crate::{Batch, DeviceState, Entry, LateReading, Stored};
use fieldwatch_domain::{DeviceEvent, DeviceNumber, RecordedEvent};
use fieldwatch_wire::queued::Checkpoint;
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use std::{future::Future, pin::Pin, sync::Arc};

/// How many entries of a history are read together to find whether the device was forgotten.
const FORGOTTEN_PAGE: usize = 1_000;

/// A future that a trait object can give.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who is told of each batch.
pub type Subscriber = Box<dyn Fn(&Arc<Stored>) + Send + Sync>;

/// The history of all devices. Embedded, `PostgreSQL`, `KurrentDB` and `InfluxDB` each implement it; one conformance suite
/// holds all of them to it.
pub trait EventStore: Send + Sync + 'static {
    /// What it is: `embedded`, `postgresql`, …
    fn kind(&self) -> &'static str;

    /// Names the log for its whole life.
    fn log_id(&self) -> &str;

    /// Position of the newest event that subscribers were told of; 0 when there is none.
    fn newest(&self) -> u64;

    /// Visits every device and what happened since, so that memory can be filled after a start; then gives the
    /// checkpoints. To be called once, before the first append.
    ///
    /// For one shelf of devices calls never overlap and come in the order of the log; different shelves may be visited at
    /// the same time by several threads.
    fn recover<'a>(&'a self, visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>>;

    /// Stores a batch whole or not at all, durably, then tells the subscribers, then answers.
    ///
    /// The expected version of each device is that of its first event in the batch less one.
    /// Cancel-safe in the sense that a batch once handed over is stored even if nobody waits for the answer.
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>>;

    /// Tells the subscriber of each batch, in the order of the log, after it is durable and before `append` answers.
    /// It runs on the store's own thread and must be quick and not block.
    fn subscribe(&self, subscriber: Subscriber);

    /// Rebuilds one device from what is stored; the default state for one that was never heard of.
    fn load(&self, device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>>;

    /// One device's events and late readings, newest first, those before position `before` (all without one). At most
    /// `limit`. Nothing from before the device was last forgotten, except the `DeviceHasBeenForgotten` events.
    fn history(&self, device: DeviceNumber, before: Option<u64>, limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>>;

    /// Position of a device's newest `DeviceHasBeenForgotten`; `None` when it was never forgotten, as far as is kept. To be
    /// asked after recovery.
    ///
    /// By itself it walks the history back to there; a store that knows better says it at once.
    fn last_forgotten(&self, device: DeviceNumber) -> BoxFuture<'_, Result<Option<u64>, ReadError>> {
        Box::pin(walk_to_forgetting(self, device))
    }

    /// All events after position `after` (0: from the oldest that is kept), in the order of the log, at most `limit`.
    /// Nothing of devices from before they were forgotten, except the `DeviceHasBeenForgotten` events.
    fn read_all(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>>;

    /// Whether a snapshot of this shelf would shorten the next recovery enough to be worth it.
    fn wants_snapshot(&self, shelf: usize) -> bool;

    /// Keeps the state of all devices of a shelf, as it is after the last answered append of whoever owns the shelf.
    /// While it runs the owner must not append anything for devices of this shelf.
    fn save_snapshot(&self, snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>>;

    /// Whether it can be written and read.
    fn health(&self) -> StoreHealth;

    /// Physically removes what belonged to forgotten devices and what is older than the retention. Called every hour or
    /// so; may take long and does not hold up appends.
    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>>;

    /// Its metrics, to be registered by whoever serves them.
    fn metrics(&self) -> &Metrics;

    /// What a store of several processes can do besides; `None` where one process is alone.
    fn shared(&self) -> Option<&dyn SharedStore> {
        None
    }
}

/// A store that several processes write, each for the partitions of the queue that it owns.
pub trait SharedStore: Send + Sync {
    /// Takes a partition of the queue over, and with it the devices of these shelves, from whatever process wrote for them
    /// before: from now on that one's appends fail with [`AppendError::Fenced`], whatever is in them. Then visits the
    /// devices of these shelves and what happened since, as [`EventStore::recover`] does for all, and gives the partition's
    /// checkpoint, if it has one. May be called again and again, also for what this process has already.
    fn take_over<'a>(
        &'a self,
        partition: u16,
        shelves: &'a [usize],
        visit: &'a (dyn Fn(Recovered<'_>) + Sync),
    ) -> BoxFuture<'a, Result<Option<Checkpoint>, RecoverError>>;

    /// Takes all partitions of a queue over that no other process consumes, so that whatever an earlier process has under way is
    /// refused. Visits nothing: [`EventStore::recover`] is to follow.
    fn take_over_all(&self, partitions: u16) -> BoxFuture<'_, Result<(), RecoverError>>;

    /// This process does not write for the partition any more; another may have taken it over already.
    fn let_go(&self, partition: u16);
}

/// Walks a device's history back to where it was forgotten last; gives the position of that.
pub(crate) async fn walk_to_forgetting<S: EventStore + ?Sized>(store: &S, device: DeviceNumber) -> Result<Option<u64>, ReadError> {
    let mut before = None;
    loop {
        let page = store.history(device, before, FORGOTTEN_PAGE).await?;
        for entry in &page.entries {
            before = Some(match entry {
                HistoryEntry::Event(event) if matches!(event.event, DeviceEvent::Forgotten) => return Ok(Some(event.position)),
                HistoryEntry::Event(event) => event.position,
                HistoryEntry::Late(late) => late.position,
            });
        }
        if !page.more || page.entries.is_empty() {
            return Ok(None);
        }
    }
}

/// What recovery comes across. First a shelf's devices from its snapshot, then the entries since.
#[derive(Debug)]
pub enum Recovered<'a> {
    /// A device as it was when its shelf was last saved.
    Device(DeviceNumber, DeviceState),
    /// Something that happened since.
    Entry(&'a Entry),
}

/// What recovery found besides devices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// How far each partition of the queue has been decided.
    pub checkpoints: Vec<Checkpoint>,
    /// Devices in snapshots, and entries read from the log after them.
    pub devices: u64,
    /// Entries read from the log.
    pub entries: u64,
}

/// The state of every device of one shelf ([`DeviceNumber::shelf`]) that was ever heard of. Of a [`SharedStore`], devices may
/// be left out that were passivated and have done nothing since: their state was stored with that.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShelfSnapshot {
    /// The shelf.
    pub shelf: usize,
    /// Its devices.
    pub devices: Vec<(DeviceNumber, DeviceState)>,
}

/// A part of one device's history, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryPage {
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// Whether there may be older ones.
    pub more: bool,
    /// The history was cut by retention: entries before this position are not kept any more.
    pub cut_before: Option<u64>,
}

/// An entry of a history.
#[derive(Clone, Debug, PartialEq)]
pub enum HistoryEntry {
    /// An event.
    Event(RecordedEvent),
    /// A reading that came late.
    Late(LateReading),
}

/// A part of the whole log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventsPage {
    /// The events.
    pub events: Vec<RecordedEvent>,
    /// The position to go on after; also moves when no event was found.
    pub next: u64,
    /// Whether the end of the log was reached.
    pub at_end: bool,
}

/// How a store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// What is wrong, for people; `None` when it can be written and read.
    pub trouble: Option<String>,
}

/// Why a batch was not stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// A device is at another version than expected: another owner has written. Load again, or stand down.
    #[error("device {device:?} is at version {actual}, not {expected}")]
    VersionConflict {
        /// The device.
        device: DeviceNumber,
        /// The version that the batch goes on from.
        expected: u64,
        /// The version that is stored.
        actual: u64,
    },
    /// Another process has taken over the partition that the batch belongs to, or the store cannot say whether an earlier
    /// append of it was stored: drop what is known of its devices and stand down. Nothing of this batch was stored.
    #[error("partition {partition} is not written by this process any more")]
    Fenced {
        /// The partition of the queue.
        partition: u16,
    },
    /// No space left, or the store does not answer: try again later. Nothing was stored.
    #[error("the store cannot take anything now: {0}")]
    Unavailable(String),
    /// The store did not answer in time, and nobody knows whether the batch is stored. Only [`SharedStore::take_over`] finds
    /// out; the same batch again may meet a [`AppendError::VersionConflict`] with itself.
    #[error("nobody knows whether the store has taken the batch: {0}")]
    Unknown(String),
    /// The store has stopped for good; only a new start may help.
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

/// Why something could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// Retention has removed what was asked for.
    #[error("nothing before position {earliest} is kept")]
    Gone {
        /// The earliest position that is kept.
        earliest: u64,
    },
    /// The position is beyond the newest one, or no position of this log.
    #[error("position {0} is not in this log")]
    NotInLog(u64),
    /// The store could not be read.
    #[error("the store cannot be read: {0}")]
    Failed(String),
}

/// Why the devices could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Bytes that were stored have changed; a person has to look.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// It could not be read.
    #[error("the store cannot be read: {0}")]
    Failed(String),
}

/// What is measured about a store.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// `fieldwatch_store_append_seconds`: from handing a batch over until it is durable.
    pub append_seconds: Histogram,
    /// `fieldwatch_events_total{type}`, counted once stored.
    pub events: Family<EventLabel, Counter>,
}

/// The label of [`Metrics::events`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, prometheus_client::encoding::EncodeLabelSet)]
pub struct EventLabel {
    /// The type's name.
    pub r#type: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        // From a quiet disk (100 µs) to one that is lost (10 s).
        let buckets = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
        Self { append_seconds: Histogram::new(buckets), events: Family::default() }
    }
}
