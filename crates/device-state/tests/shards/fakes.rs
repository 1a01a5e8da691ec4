//! Stand-ins for queue, store and dead letters. The store folds for real and refuses what no store may take.

use fieldwatch_broker::{
    self as broker, BoxFuture, Checkpoint, ConsumeError, Consumer, DeadLetterError, Delivered, DeliveredEntry, Delivery, Entries,
    NewLetter, Parking, PublishError, QueueHealth, ReadingQueue,
};
use fieldwatch_domain::DeviceNumber;
use fieldwatch_event_store::{
    AppendError, Batch, DeviceState, Entry, EventStore, EventsPage, HistoryPage, ReadError, RecoverError, Recovered, Recovery,
    ShelfSnapshot, StoreHealth, Stored,
};
use fieldwatch_wire::queued::{ENTRY_HEADER, read_entry_header};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

/// What the store does with the next append instead of storing it.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// It refuses.
    Refuse(AppendError),
    /// It neither stores nor answers: as if the process had died before.
    HangBefore,
    /// It stores and never answers: as if the process had died after.
    HangAfter,
    /// It stores after so long.
    Delay(Duration),
    /// It stores, and answers otherwise.
    StoreButSay(AppendError),
}

#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) inner: Mutex<StoreInner>,
    metrics: fieldwatch_event_store::Metrics,
}

#[derive(Default)]
pub(crate) struct StoreInner {
    pub(crate) log: Vec<Entry>,
    /// Entries and checkpoints of each batch.
    pub(crate) batches: Vec<(usize, usize)>,
    pub(crate) states: BTreeMap<DeviceNumber, DeviceState>,
    pub(crate) checkpoints: BTreeMap<u16, Checkpoint>,
    pub(crate) next: VecDeque<Next>,
    pub(crate) refused: usize,
    pub(crate) hanging: usize,
    pub(crate) wants_snapshots: bool,
    pub(crate) snapshots: Vec<ShelfSnapshot>,
    pub(crate) loads: Vec<DeviceNumber>,
    pub(crate) failing_loads: usize,
}

impl FakeStore {
    fn store(&self, batch: Batch) -> Result<Arc<Stored>, AppendError> {
        let mut inner = self.inner.lock();
        for entry in &batch.entries {
            if let Entry::Event(event) = entry {
                let before = batch.entries.iter().take_while(|other| !std::ptr::eq(*other, entry));
                let own = before.filter(|other| matches!(other, Entry::Event(_)) && other.device() == event.device).count() as u64;
                let actual = inner.states.get(&event.device).map_or(0, |state| state.device.version());
                if event.version != actual + own + 1 {
                    return Err(AppendError::VersionConflict { device: event.device, expected: event.version - 1, actual });
                }
            }
        }
        let mut entries = batch.entries;
        for entry in &mut entries {
            let position = inner.log.len() as u64 + 1;
            match entry {
                Entry::Event(event) => event.position = position,
                Entry::Late(late) => late.position = position,
                Entry::Observation(_) => {}
                Entry::Passivated(state) => {
                    let stored = inner.states.get(&state.0).cloned().unwrap_or_default();
                    assert_eq!((&stored.device, &stored.tracking), (&state.1, &state.2), "the state is the fold of what is stored");
                }
            }
            inner.states.entry(entry.device()).or_default().apply(entry);
            inner.log.push(entry.clone());
        }
        inner.batches.push((entries.len(), batch.checkpoints.len()));
        for checkpoint in batch.checkpoints {
            inner.checkpoints.insert(checkpoint.partition, checkpoint);
        }
        let newest = inner.log.len() as u64;
        Ok(Arc::new(Stored { entries, newest }))
    }
}

impl EventStore for FakeStore {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn log_id(&self) -> &'static str {
        "fake"
    }
    fn newest(&self) -> u64 {
        self.inner.lock().log.len() as u64
    }
    fn recover<'a>(&'a self, visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        Box::pin(async move {
            let inner = self.inner.lock();
            inner.log.iter().for_each(|entry| visit(Recovered::Entry(entry)));
            Ok(Recovery { checkpoints: inner.checkpoints.values().cloned().collect(), ..Recovery::default() })
        })
    }
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        Box::pin(async move {
            // A real store takes a moment: others get their turn.
            tokio::task::yield_now().await;
            let next = self.inner.lock().next.pop_front();
            match next {
                None => self.store(batch),
                Some(Next::Refuse(refusal)) => {
                    self.inner.lock().refused += 1;
                    Err(refusal)
                }
                Some(Next::StoreButSay(answer)) => {
                    self.store(batch)?;
                    Err(answer)
                }
                Some(Next::HangBefore) => {
                    self.inner.lock().hanging += 1;
                    std::future::pending().await
                }
                Some(Next::Delay(time)) => {
                    self.inner.lock().hanging += 1;
                    tokio::time::sleep(time).await;
                    self.inner.lock().hanging -= 1;
                    self.store(batch)
                }
                Some(Next::HangAfter) => {
                    self.store(batch)?;
                    self.inner.lock().hanging += 1;
                    std::future::pending().await
                }
            }
        })
    }
    fn subscribe(&self, _subscriber: Box<dyn Fn(&Arc<Stored>) + Send + Sync>) {}
    fn load(&self, device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        Box::pin(async move {
            let mut inner = self.inner.lock();
            inner.loads.push(device);
            if inner.failing_loads > 0 {
                inner.failing_loads -= 1;
                return Err(ReadError::Failed("the fake was told to".into()));
            }
            Ok(inner.states.get(&device).cloned().unwrap_or_default())
        })
    }
    fn history(&self, _device: DeviceNumber, _before: Option<u64>, _limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        Box::pin(async { Ok(HistoryPage::default()) })
    }
    fn read_all(&self, _after: u64, _limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        Box::pin(async { Ok(EventsPage::default()) })
    }
    fn wants_snapshot(&self, _shelf: usize) -> bool {
        self.inner.lock().wants_snapshots
    }
    fn save_snapshot(&self, snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            let mut inner = self.inner.lock();
            for (device, state) in &snapshot.devices {
                assert_eq!(inner.states.get(device), Some(state), "a snapshot is what is stored");
            }
            inner.snapshots.push(snapshot);
            Ok(())
        })
    }
    fn health(&self) -> StoreHealth {
        StoreHealth::default()
    }
    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async { Ok(()) })
    }
    fn metrics(&self) -> &fieldwatch_event_store::Metrics {
        &self.metrics
    }
}

/// A queue in memory. A partition's progress is the index of its next entry among all.
pub(crate) struct FakeQueue {
    partitions: u16,
    inner: Arc<QueueInner>,
    metrics: fieldwatch_broker::Metrics,
}

#[derive(Default)]
struct QueueInner {
    /// How many entries the next deliveries have at most.
    most: Mutex<VecDeque<usize>>,
    entries: Mutex<Vec<(u16, Vec<u8>)>>,
    stored: Mutex<u64>,
    closed: Mutex<bool>,
    news: Notify,
}

impl FakeQueue {
    pub(crate) fn new(partitions: u16) -> Self {
        Self { partitions, inner: Arc::default(), metrics: fieldwatch_broker::Metrics::default() }
    }

    /// Puts a body in that ingest would never have written.
    pub(crate) fn put_raw(&self, partition: u16, body: Vec<u8>) {
        self.inner.entries.lock().push((partition, body));
        self.inner.news.notify_waiters();
    }

    /// The next deliveries have at most so many entries, whatever the consumer would take.
    pub(crate) fn deliver_at_most(&self, most: &[usize]) {
        self.inner.most.lock().extend(most);
    }

    pub(crate) fn close(&self) {
        *self.inner.closed.lock() = true;
        self.inner.news.notify_waiters();
    }

    /// How many entries are not yet reported as stored, since the last consumers started.
    pub(crate) fn in_front(&self) -> u64 {
        self.inner.entries.lock().len() as u64 - *self.inner.stored.lock()
    }

    pub(crate) fn put(&self, entries: &Entries) {
        let mut bytes = entries.bytes();
        while let Some((header, rest)) = bytes.split_first_chunk::<ENTRY_HEADER>() {
            let (partition, length) = read_entry_header(*header);
            self.inner.entries.lock().push((partition, rest[..length].to_vec()));
            bytes = &rest[length..];
        }
        self.inner.news.notify_waiters();
    }
}

impl ReadingQueue for FakeQueue {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn partitions(&self) -> u16 {
        self.partitions
    }
    fn publish(&self, entries: Entries) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            self.put(&entries);
            Ok(())
        })
    }
    fn consume(&self, partitions: &[u16], decided: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError> {
        let progress = |partition: &u16| {
            let of_it = decided.iter().find(|checkpoint| checkpoint.partition == *partition);
            let next = of_it.map_or(0, |of_it| u64::from_le_bytes((*of_it.progress).try_into().expect("eight bytes")));
            (*partition, next as usize)
        };
        let next: BTreeMap<u16, usize> = partitions.iter().map(progress).collect();
        let entries = self.inner.entries.lock();
        let done = entries.iter().enumerate().filter(|(at, entry)| next.get(&entry.0).is_some_and(|next| at < next)).count();
        *self.inner.stored.lock() += done as u64;
        Ok(Box::new(FakeConsumer { next, inner: self.inner.clone() }))
    }
    fn depths(&self) -> Vec<u64> {
        Vec::new()
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

impl FakeQueue {
    /// The consumers of the process that has died are forgotten.
    pub(crate) fn crashed(&self) {
        *self.inner.stored.lock() = 0;
    }
}

struct FakeConsumer {
    next: BTreeMap<u16, usize>,
    inner: Arc<QueueInner>,
}

impl FakeConsumer {
    fn take(&mut self, limit: usize) -> Option<Delivery> {
        let entries = self.inner.entries.lock();
        let mut delivery = Delivery::default();
        let first = self.next.values().copied().min().unwrap_or(0);
        let most = self.inner.most.lock().front().copied();
        let limit = limit.min(most.unwrap_or(usize::MAX)).max(1);
        for (at, (partition, body)) in entries.iter().enumerate().skip(first) {
            let Some(next) = self.next.get_mut(partition) else { continue };
            if at < *next || delivery.entries.len() == limit {
                continue;
            }
            *next = at + 1;
            let start = delivery.bytes.len();
            delivery.bytes.extend_from_slice(body);
            let body = start..delivery.bytes.len();
            delivery.entries.push(DeliveredEntry { body, partition: *partition, place: at as u64 });
            let progress = (*next as u64).to_le_bytes().into();
            delivery.checkpoints.retain(|checkpoint| checkpoint.partition != *partition);
            delivery.checkpoints.push(Checkpoint { partition: *partition, progress });
        }
        delivery.delivered.through = delivery.entries.len() as u64;
        if delivery.entries.is_empty() {
            return None;
        }
        self.inner.most.lock().pop_front();
        Some(delivery)
    }
}

impl Consumer for FakeConsumer {
    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<broker::Next, ConsumeError>> {
        Box::pin(async move {
            let inner = self.inner.clone();
            loop {
                let news = inner.news.notified();
                if let Some(delivery) = self.take(limit) {
                    return Ok(broker::Next::Delivery(delivery));
                }
                if *inner.closed.lock() {
                    return Err(ConsumeError::Closed);
                }
                news.await;
            }
        })
    }
    fn stored(&mut self, delivered: Delivered) {
        *self.inner.stored.lock() += delivered.through;
    }
}

/// A parked entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FakeLetter {
    pub(crate) place: u64,
    pub(crate) reason: String,
    pub(crate) device_id: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Dead letters in memory.
#[derive(Default)]
pub(crate) struct FakeParking {
    pub(crate) letters: Mutex<Vec<FakeLetter>>,
    pub(crate) failing: Mutex<usize>,
}

impl Parking for FakeParking {
    fn park<'a>(&'a self, letter: NewLetter<'a>) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        Box::pin(std::future::ready(self.keep(letter)))
    }
}

impl FakeParking {
    fn keep(&self, NewLetter { place, reason, device_id, body, .. }: NewLetter<'_>) -> Result<(), DeadLetterError> {
        let mut failing = self.failing.lock();
        if *failing > 0 {
            *failing -= 1;
            return Err(DeadLetterError { action: "park in", detail: "the fake was told to".into() });
        }
        let mut letters = self.letters.lock();
        if letters.iter().all(|letter| letter.place != place) {
            letters.push(FakeLetter { place, reason: reason.into(), device_id: device_id.map(Into::into), body: body.to_vec() });
        }
        Ok(())
    }
}
