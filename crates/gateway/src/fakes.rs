//! Stand-ins for the rooms behind the gateway, for tests of single parts of it.

use fieldwatch_broker::{Checkpoint, ConsumeError, Consumer, Entries, PublishError, QueueHealth, ReadingQueue};
use fieldwatch_domain::{DeviceNumber, Timestamp};
use fieldwatch_event_store::{
    AppendError, Batch, DeviceState, EventStore, EventsPage, HistoryEntry, HistoryPage, ReadError, RecoverError, Recovered,
    Recovery, ShelfSnapshot, StoreHealth, Stored,
};
use fieldwatch_wire::ingest::Limits;
use fieldwatch_wire::queued::{ENTRY_HEADER, Request, read_entry_header, read_request};
use prometheus_client::metrics::counter::Counter;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::given_ids::GivenIds;
use crate::history::position;
use crate::intake::{Intake, duration_histogram};
use crate::work::Work;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The time that everything is received at: 2026-01-01T00:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// A queue that keeps what was published, or refuses it.
#[derive(Default)]
pub(crate) struct FakeQueue {
    refusal: Option<PublishError>,
    published: Mutex<Vec<Entries>>,
    metrics: fieldwatch_broker::Metrics,
}

impl FakeQueue {
    pub(crate) fn refusing(refusal: PublishError) -> Self {
        Self { refusal: Some(refusal), ..Self::default() }
    }

    /// Device and request of everything that was published.
    pub(crate) fn requests(&self) -> Vec<(String, Request)> {
        let published = self.published.lock().expect("no test panics with it");
        let mut requests = Vec::new();
        for entries in published.iter() {
            let mut rest = entries.bytes();
            while let Some((header, after)) = rest.split_first_chunk::<ENTRY_HEADER>() {
                let (_, length) = read_entry_header(*header);
                let (body, after) = after.split_at(length);
                let (device, request) = read_request(body).expect("it was written a moment ago");
                requests.push((device.to_owned(), request));
                rest = after;
            }
        }
        requests
    }
}

impl ReadingQueue for FakeQueue {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn partitions(&self) -> u16 {
        4
    }
    fn publish(&self, entries: Entries) -> BoxFuture<'_, Result<(), PublishError>> {
        let refusal = self.refusal.clone();
        if refusal.is_none() {
            self.published.lock().expect("no test panics with it").push(entries);
        }
        Box::pin(ready(refusal.map_or(Ok(()), Err)))
    }
    fn consume(&self, _: &[u16], _: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError> {
        Err(ConsumeError::Closed)
    }
    fn depths(&self) -> Vec<u64> {
        vec![0; 4]
    }
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
    fn health(&self) -> QueueHealth {
        QueueHealth::default()
    }
    fn metrics(&self) -> &fieldwatch_broker::Metrics {
        &self.metrics
    }
}

/// A way in to this queue.
pub(crate) fn intake(queue: &Arc<FakeQueue>) -> Arc<Intake> {
    Arc::new(Intake {
        queue: Arc::clone(queue) as Arc<dyn ReadingQueue>,
        limits: Limits::default(),
        clock: Arc::new(|| NOW),
        ids: GivenIds::new(),
        work: Work::new(),
        accepted: Counter::default(),
        rejected: Counter::default(),
        seconds: duration_histogram(),
    })
}

/// A store that has one device's history and can be read for nothing else.
#[derive(Default)]
pub(crate) struct FakeStore {
    /// Oldest first.
    pub(crate) entries: Vec<HistoryEntry>,
    pub(crate) cut_before: Option<u64>,
    metrics: fieldwatch_event_store::Metrics,
}

impl EventStore for FakeStore {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn log_id(&self) -> &'static str {
        "fake"
    }
    fn newest(&self) -> u64 {
        self.entries.last().map_or(0, position)
    }
    fn recover<'a>(&'a self, _: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        Box::pin(ready(Ok(Recovery::default())))
    }
    fn append(&self, _: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        Box::pin(ready(Err(AppendError::Stopped("it can only be read".into()))))
    }
    fn subscribe(&self, _: Box<dyn Fn(&Arc<Stored>) + Send + Sync>) {}
    fn load(&self, _: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        Box::pin(ready(Ok(DeviceState::default())))
    }
    fn history(&self, _: DeviceNumber, before: Option<u64>, limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        let older: Vec<&HistoryEntry> =
            self.entries.iter().rev().filter(|entry| before.is_none_or(|before| position(entry) < before)).collect();
        let more = older.len() > limit;
        let entries = older.into_iter().take(limit).cloned().collect();
        let cut_before = if more { None } else { self.cut_before };
        Box::pin(ready(Ok(HistoryPage { entries, more, cut_before })))
    }
    fn read_all(&self, _: u64, _: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        Box::pin(ready(Ok(EventsPage::default())))
    }
    fn wants_snapshot(&self, _: usize) -> bool {
        false
    }
    fn save_snapshot(&self, _: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(ready(Ok(())))
    }
    fn health(&self) -> StoreHealth {
        StoreHealth::default()
    }
    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(ready(Ok(())))
    }
    fn metrics(&self) -> &fieldwatch_event_store::Metrics {
        &self.metrics
    }
}
