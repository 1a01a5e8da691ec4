//! A store of events in memory, as far as streams need one.

use fieldwatch_domain::{DeviceNumber, RecordedEvent};
use fieldwatch_event_store::{
    AppendError, Batch, BoxFuture, Checkpoint, DeviceState, Entry, EventStore, EventsPage, HistoryPage, Metrics, ReadError,
    RecoverError, Recovered, Recovery, SharedStore, ShelfSnapshot, StoreHealth, Stored,
};
use parking_lot::Mutex;
use std::sync::Arc;

type Subscriber = Box<dyn Fn(&Arc<Stored>) + Send + Sync>;

/// Keeps events in memory and tells subscribers; cannot recover, and its trouble is made by tests.
#[derive(Default)]
pub(crate) struct FakeStore {
    log: Mutex<Log>,
    subscribers: Mutex<Vec<Subscriber>>,
    metrics: Metrics,
}

#[derive(Default)]
struct Log {
    events: Vec<RecordedEvent>,
    newest: u64,
    /// Nothing before this position is kept.
    kept_from: u64,
    broken: bool,
    /// Whether it counts as one that other processes write, too.
    shared: bool,
}

impl FakeStore {
    pub(crate) fn events(&self) -> Vec<RecordedEvent> {
        self.log.lock().events.clone()
    }

    /// Stores entries, gives them their positions and tells them.
    pub(crate) fn store(&self, mut entries: Vec<Entry>) {
        let stored = {
            let mut log = self.log.lock();
            let Log { events, newest, .. } = &mut *log;
            for entry in &mut entries {
                if let Entry::Event(event) = entry {
                    // Positions have gaps.
                    *newest += 1 + event.version % 7;
                    event.position = *newest;
                    events.push(event.clone());
                }
            }
            Arc::new(Stored { entries, newest: *newest })
        };
        for subscriber in &*self.subscribers.lock() {
            subscriber(&stored);
        }
    }

    pub(crate) fn forget_before(&self, position: u64) {
        let mut log = self.log.lock();
        log.kept_from = position;
        log.events.retain(|event| event.position >= position);
    }

    pub(crate) fn set_broken(&self, broken: bool) {
        self.log.lock().broken = broken;
    }

    pub(crate) fn set_shared(&self) {
        self.log.lock().shared = true;
    }

    fn page(&self, after: u64, limit: usize) -> Result<EventsPage, ReadError> {
        let log = self.log.lock();
        if log.broken {
            return Err(ReadError::Failed("it is broken".into()));
        }
        if after > log.newest {
            return Err(ReadError::NotInLog(after));
        }
        if after > 0 && after < log.kept_from {
            return Err(ReadError::Gone { earliest: log.kept_from });
        }
        let from = log.events.partition_point(|event| event.position <= after);
        let events: Vec<_> = log.events[from..].iter().take(limit).cloned().collect();
        let at_end = from + events.len() == log.events.len();
        let next = if at_end { log.newest } else { events.last().map_or(after, |event| event.position) };
        Ok(EventsPage { events, next, at_end })
    }
}

impl EventStore for FakeStore {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn log_id(&self) -> &'static str {
        "the \"log\""
    }
    fn newest(&self) -> u64 {
        self.log.lock().newest
    }
    fn recover<'a>(&'a self, _visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        Box::pin(async { Err(RecoverError::Failed("a fake store recovers nothing".into())) })
    }
    fn append(&self, _batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        Box::pin(async { Err(AppendError::Stopped("use FakeStore::store".into())) })
    }
    fn subscribe(&self, subscriber: Subscriber) {
        self.subscribers.lock().push(subscriber);
    }
    fn load(&self, _device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        Box::pin(async { Err(ReadError::Failed("a fake store loads nothing".into())) })
    }
    fn history(&self, _device: DeviceNumber, _before: Option<u64>, _limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        Box::pin(async { Err(ReadError::Failed("a fake store has no histories".into())) })
    }
    fn read_all(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        // It takes its time, so that things happen meanwhile.
        Box::pin(async move {
            tokio::task::yield_now().await;
            let page = self.page(after, limit);
            tokio::task::yield_now().await;
            page
        })
    }
    fn wants_snapshot(&self, _shelf: usize) -> bool {
        false
    }
    fn save_snapshot(&self, _snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async { Ok(()) })
    }
    fn health(&self) -> StoreHealth {
        StoreHealth::default()
    }
    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async { Ok(()) })
    }
    fn metrics(&self) -> &Metrics {
        &self.metrics
    }
    fn shared(&self) -> Option<&dyn SharedStore> {
        self.log.lock().shared.then_some(self)
    }
}

impl SharedStore for FakeStore {
    fn take_over<'a>(
        &'a self,
        _partition: u16,
        _shelves: &'a [usize],
        _visit: &'a (dyn Fn(Recovered<'_>) + Sync),
    ) -> BoxFuture<'a, Result<Option<Checkpoint>, RecoverError>> {
        Box::pin(async { Err(RecoverError::Failed("a fake store is nobody's".into())) })
    }
    fn take_over_all(&self, _partitions: u16) -> BoxFuture<'_, Result<(), RecoverError>> {
        Box::pin(async { Err(RecoverError::Failed("a fake store is nobody's".into())) })
    }
    fn let_go(&self, _partition: u16) {}
}
