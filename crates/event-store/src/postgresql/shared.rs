//! What the tasks of one store share.

use super::{
    connection::Connector,
    holds::Holds,
    options::PostgresOptions,
    pool::{self, Pool},
    versions::Versions,
};
use crate::{EventLabel, Metrics, Subscriber};
use fieldwatch_domain::{DeviceNumbers, EventType, SHELVES};
use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::counter::Counter;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// What the tasks of one store share.
pub(super) struct Shared {
    pub(super) options: PostgresOptions,
    pub(super) numbers: Arc<DeviceNumbers>,
    pub(super) connector: Arc<Connector>,
    /// Of those who fill memory: recovery and taking over.
    pub(super) filling: Pool,
    /// Of the shards and the writer: single devices, versions.
    pub(super) pool: Pool,
    /// Of those who ask for history and events.
    pub(super) asking: Pool,
    /// Of those who keep snapshots.
    pub(super) saving: Pool,
    /// The feed's own.
    pub(super) feed_pool: Pool,
    pub(super) log_id: String,
    /// How this process is called among those that store.
    pub(super) writer: String,
    pub(super) versions: Versions,
    pub(super) holds: Holds,
    /// Up to which position each shelf's snapshots hold everything; 0: there is none.
    pub(super) as_of: Box<[AtomicU64]>,
    /// Shelves that are not saved up to this position are wanted.
    pub(super) wanted_at: AtomicU64,
    /// The last position that was handed out, as far as it is known here.
    pub(super) end: AtomicU64,
    /// Everything up to this position was told, or is not to be told.
    pub(super) told: AtomicU64,
    /// Position of the newest event that was told.
    pub(super) newest: AtomicU64,
    /// Whether what others store is told: from the recovery on, if anybody has subscribed.
    pub(super) recovered: AtomicBool,
    /// Appends of this process that were begun, and those that are over.
    pub(super) own: OwnAppends,
    pub(super) subscribers: RwLock<Vec<Subscriber>>,
    pub(super) troubles: Mutex<Troubles>,
    pub(super) metrics: Metrics,
    /// The counters of [`Metrics::events`], by the order of [`EventType`].
    pub(super) counters: Vec<Counter>,
}

/// Counts this process's appends, so that what was read can be known not to hold one whose answer is on its way.
#[derive(Default)]
pub(super) struct OwnAppends {
    begun: AtomicU64,
    over: AtomicU64,
}

impl OwnAppends {
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.over.fetch_add(1, Ordering::SeqCst);
    }

    /// How many were begun; `None` while one is under way.
    pub(super) fn at_rest(&self) -> Option<u64> {
        let over = self.over.load(Ordering::SeqCst);
        (self.begun.load(Ordering::SeqCst) == over).then_some(over)
    }
}

/// What is wrong, by who has found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Troubles {
    /// It has stopped for good.
    pub(super) stopped: Option<String>,
    /// Nothing can be stored.
    pub(super) writing: Option<String>,
    /// Nothing can be read.
    pub(super) reading: Option<String>,
}

/// What is known of the log when the store is opened.
pub(super) struct Opened {
    pub(super) log_id: String,
    pub(super) writer: String,
    pub(super) end: u64,
    pub(super) newest: u64,
}

impl Shared {
    pub(super) fn new(options: PostgresOptions, numbers: Arc<DeviceNumbers>, connector: Arc<Connector>, opened: Opened) -> Self {
        let metrics = Metrics::default();
        let counter = |event_type: EventType| metrics.events.get_or_create(&EventLabel { r#type: event_type.name() }).clone();
        let counters = EventType::ALL.into_iter().map(counter).collect();
        let new_pool = |turns| Pool::new(Arc::clone(&connector), options.read_deadline, turns);
        let (filling, pool, asking) = (new_pool(pool::FILLING), new_pool(pool::SHARDS), new_pool(pool::ASKING));
        let (saving, feed_pool) = (new_pool(pool::SAVING), new_pool(pool::TELLING));
        Self {
            options,
            numbers,
            connector,
            filling,
            pool,
            asking,
            saving,
            feed_pool,
            log_id: opened.log_id,
            writer: opened.writer,
            versions: Versions::default(),
            holds: Holds::default(),
            as_of: (0..SHELVES).map(|_| AtomicU64::new(0)).collect(),
            wanted_at: AtomicU64::new(0),
            end: AtomicU64::new(opened.end),
            told: AtomicU64::new(opened.end),
            newest: AtomicU64::new(opened.newest),
            recovered: AtomicBool::new(false),
            own: OwnAppends::default(),
            subscribers: RwLock::default(),
            troubles: Mutex::default(),
            metrics,
            counters,
        }
    }

    /// Notes where the log ends, and stops the store, for the reason that is given back, when that is before what was `seen` of
    /// it before the question was asked: then a copy that lags has become the server, or an old one was brought back, and
    /// what this process has told and answered is not in the log. Nobody's memory of it holds.
    pub(super) fn went_back(&self, seen: u64, end: u64) -> Option<String> {
        if end >= seen {
            self.end.fetch_max(end, Ordering::AcqRel);
            return None;
        }
        let reason = format!("the log in the database ends at position {end}, and has been seen up to {seen}: it went back");
        let mut troubles = self.troubles.lock();
        if troubles.stopped.is_none() {
            tracing::error!(reason, "the event store has stopped");
            troubles.stopped = Some(reason.clone());
        }
        Some(reason)
    }

    /// Whether what others store has to be told.
    pub(super) fn is_following(&self) -> bool {
        self.recovered.load(Ordering::Acquire) && !self.subscribers.read().is_empty()
    }

    /// Notes how far a shelf is saved.
    pub(super) fn saved(&self, shelf: usize, as_of: u64) {
        self.as_of[shelf].fetch_max(as_of, Ordering::AcqRel);
    }

    /// Another process writes for this partition now, or may: what is known of its devices is not to be relied upon.
    pub(super) fn lose(&self, partition: u16) {
        for shelf in self.holds.lose(partition) {
            self.versions.forget(shelf);
        }
    }

    /// Says what is wrong with storing, once.
    pub(super) fn writing(&self, trouble: Option<String>) {
        let mut troubles = self.troubles.lock();
        match (&troubles.writing, &trouble) {
            (None, Some(reason)) => tracing::error!(reason, "the event store cannot store"),
            (Some(_), None) => tracing::info!("the event store stores again"),
            _ => {}
        }
        troubles.writing = trouble;
    }

    /// Says what is wrong with reading, once.
    pub(super) fn reading(&self, trouble: Option<String>) {
        let mut troubles = self.troubles.lock();
        match (&troubles.reading, &trouble) {
            (None, Some(reason)) => tracing::error!(reason, "the event store cannot read"),
            (Some(_), None) => tracing::info!("the event store reads again"),
            _ => {}
        }
        troubles.reading = trouble;
    }
}
