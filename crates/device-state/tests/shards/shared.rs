//! A queue and a store that several processes share, in memory: the broker decides who owns what, the store fences.

use crate::fakes::{FakeParking, FakeStore};
use fieldwatch_broker::{
    BoxFuture, Checkpoint, ConsumeError, Consumer, Delivered, DeliveredEntry, Delivery, Entries, GivingUp, Next, PublishError,
    QueueHealth, ReadingQueue,
};
use fieldwatch_device_state::{DeviceStates, Running, StateOptions};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers};
use fieldwatch_event_store::{
    AppendError, Batch, DeviceState, EventStore, EventsPage, HistoryPage, ReadError, RecoverError, Recovered, Recovery,
    SharedStore, ShelfSnapshot, StoreHealth, Stored, Subscriber,
};
use fieldwatch_wire::queued::{ENTRY_HEADER, read_entry_header};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Notify, task::JoinSet};

/// How many partitions there are.
pub(crate) const PARTITIONS: u16 = 4;

/// What all processes share.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) store: Arc<FakeStore>,
    pub(crate) broker: Broker,
    /// Which process has taken each partition over last.
    pub(crate) taken_over_by: Mutex<BTreeMap<u16, usize>>,
    /// So many times taking over fails.
    pub(crate) failing_take_overs: Mutex<usize>,
}

/// Entries by partition, and who owns it.
#[derive(Default)]
pub(crate) struct Broker {
    entries: Mutex<BTreeMap<u16, Vec<Vec<u8>>>>,
    pub(crate) owners: Mutex<BTreeMap<u16, usize>>,
    /// What each process's consumers have to be told.
    changes: Mutex<BTreeMap<(usize, u16), VecDeque<Next>>>,
    /// Who gave which partition back.
    pub(crate) given_up: Mutex<Vec<(usize, u16)>>,
    news: Notify,
}

impl Broker {
    pub(crate) fn put(&self, entries: &Entries) {
        let mut bytes = entries.bytes();
        while let Some((header, rest)) = bytes.split_first_chunk::<ENTRY_HEADER>() {
            let (partition, length) = read_entry_header(*header);
            self.entries.lock().entry(partition).or_default().push(rest[..length].to_vec());
            bytes = &rest[length..];
        }
        self.news.notify_waiters();
    }

    /// Gives a partition to a process. The one before is told of it, or not: as if it were frozen.
    pub(crate) fn give(&self, partition: u16, process: usize, former_is_told: bool) {
        let former = self.owners.lock().insert(partition, process);
        let mut changes = self.changes.lock();
        if let Some(former) = former
            && former_is_told
        {
            changes.entry((former, partition)).or_default().push_back(Next::Lost(partition));
        }
        changes.entry((process, partition)).or_default().push_back(Next::Gained(partition));
        drop(changes);
        self.news.notify_waiters();
    }
}

/// One process: its queue, its store, its shards.
pub(crate) struct Process {
    pub(crate) running: Running,
    _shards: JoinSet<()>,
}

impl Process {
    pub(crate) fn start(number: usize, common: &Arc<Common>, numbers: &Arc<DeviceNumbers>, options: StateOptions) -> Self {
        let queue = SharedQueue { common: common.clone(), process: number, metrics: fieldwatch_broker::Metrics::default() };
        let queue: Arc<dyn ReadingQueue> = Arc::new(queue);
        Self::start_on(&queue, number, common, numbers, options)
    }

    /// One with a queue of its own.
    pub(crate) fn start_on(
        queue: &Arc<dyn ReadingQueue>,
        number: usize,
        common: &Arc<Common>,
        numbers: &Arc<DeviceNumbers>,
        options: StateOptions,
    ) -> Self {
        let store: Arc<dyn EventStore> = Arc::new(SharedHandle { common: common.clone(), process: number, ours: Mutex::default() });
        let parking: Arc<dyn fieldwatch_broker::Parking> = Arc::new(FakeParking::default());
        let states = DeviceStates::new(options, numbers.clone());
        let (running, shards) = states.into_shards(&store, queue, &parking, &[]).expect("the partitions can be consumed");
        let mut tasks = JoinSet::new();
        for shard in shards {
            tasks.spawn(shard.run());
        }
        Self { running, _shards: tasks }
    }
}

struct SharedQueue {
    common: Arc<Common>,
    process: usize,
    metrics: fieldwatch_broker::Metrics,
}

impl ReadingQueue for SharedQueue {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn partitions(&self) -> u16 {
        PARTITIONS
    }
    fn is_shared(&self) -> bool {
        true
    }
    fn publish(&self, entries: Entries) -> BoxFuture<'_, Result<(), PublishError>> {
        self.common.broker.put(&entries);
        Box::pin(async { Ok(()) })
    }
    fn consume(&self, partitions: &[u16], _decided: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError> {
        let common = self.common.clone();
        Ok(Box::new(SharedConsumer { common, process: self.process, partitions: partitions.to_vec(), next: BTreeMap::new() }))
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

struct SharedConsumer {
    common: Arc<Common>,
    process: usize,
    partitions: Vec<u16>,
    /// Of the partitions that have begun, the next entry. One that was taken away without a word is still here.
    next: BTreeMap<u16, usize>,
}

impl SharedConsumer {
    fn take(&mut self, limit: usize) -> Option<Next> {
        let broker = &self.common.broker;
        for partition in &self.partitions {
            let change = broker.changes.lock().get_mut(&(self.process, *partition)).and_then(VecDeque::pop_front);
            if let Some(change) = change {
                self.next.remove(partition);
                return Some(change);
            }
        }
        let entries = broker.entries.lock();
        let mut delivery = Delivery::default();
        for (partition, next) in &mut self.next {
            let all = entries.get(partition).map_or(&[][..], Vec::as_slice);
            while *next < all.len() && delivery.entries.len() < limit.min(3) {
                let start = delivery.bytes.len();
                delivery.bytes.extend_from_slice(&all[*next]);
                let body = start..delivery.bytes.len();
                delivery.entries.push(DeliveredEntry { body, partition: *partition, place: *next as u64 });
                *next += 1;
                delivery.checkpoints.retain(|checkpoint| checkpoint.partition != *partition);
                let progress = (*next as u64).to_le_bytes().into();
                delivery.checkpoints.push(Checkpoint { partition: *partition, progress });
            }
        }
        (!delivery.entries.is_empty()).then_some(Next::Delivery(delivery))
    }
}

impl Consumer for SharedConsumer {
    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Next, ConsumeError>> {
        Box::pin(async move {
            let common = self.common.clone();
            loop {
                let news = common.broker.news.notified();
                if let Some(next) = self.take(limit) {
                    return Ok(next);
                }
                news.await;
            }
        })
    }
    fn stored(&mut self, _delivered: Delivered) {}
    fn begin(&mut self, partition: u16, decided: Option<&Checkpoint>) {
        let next = decided.map_or(0, |decided| u64::from_le_bytes((*decided.progress).try_into().expect("eight bytes")));
        self.next.insert(partition, next as usize);
    }
    fn give_up(&mut self, partition: u16, _why: GivingUp) {
        self.next.remove(&partition);
        self.common.broker.given_up.lock().push((self.process, partition));
        // It stands by at once, and is given the partition again if nobody else has it.
        if self.common.broker.owners.lock().get(&partition) == Some(&self.process) {
            self.common.broker.give(partition, self.process, false);
        }
    }
}

/// The common store as one process has it.
struct SharedHandle {
    common: Arc<Common>,
    process: usize,
    ours: Mutex<BTreeMap<u16, bool>>,
}

fn partition_of(device: DeviceNumber) -> u16 {
    device.shelf() as u16 % PARTITIONS
}

impl SharedStore for SharedHandle {
    fn take_over<'a>(
        &'a self,
        partition: u16,
        shelves: &'a [usize],
        visit: &'a (dyn Fn(Recovered<'_>) + Sync),
    ) -> BoxFuture<'a, Result<Option<Checkpoint>, RecoverError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            {
                let mut failing = self.common.failing_take_overs.lock();
                if *failing > 0 {
                    *failing -= 1;
                    return Err(RecoverError::Failed("the fake was told to".into()));
                }
            }
            self.common.taken_over_by.lock().insert(partition, self.process);
            self.ours.lock().insert(partition, true);
            let inner = self.common.store.inner.lock();
            for (device, state) in &inner.states {
                if shelves.contains(&device.shelf()) {
                    visit(Recovered::Device(*device, state.clone()));
                }
            }
            Ok(inner.checkpoints.get(&partition).cloned())
        })
    }
    fn take_over_all(&self, partitions: u16) -> BoxFuture<'_, Result<(), RecoverError>> {
        for partition in 0..partitions {
            self.common.taken_over_by.lock().insert(partition, self.process);
            self.ours.lock().insert(partition, true);
        }
        Box::pin(async { Ok(()) })
    }
    fn let_go(&self, partition: u16) {
        self.ours.lock().remove(&partition);
    }
}

impl EventStore for SharedHandle {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn log_id(&self) -> &str {
        self.common.store.log_id()
    }
    fn newest(&self) -> u64 {
        self.common.store.newest()
    }
    fn recover<'a>(&'a self, visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        self.common.store.recover(visit)
    }
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let devices = batch.entries.iter().map(|entry| partition_of(entry.device()));
            for partition in devices.chain(batch.checkpoints.iter().map(|checkpoint| checkpoint.partition)) {
                // What nobody ever took over is not fenced.
                let Some(owner) = self.common.taken_over_by.lock().get(&partition).copied() else { continue };
                if owner != self.process || !self.ours.lock().contains_key(&partition) {
                    return Err(AppendError::Fenced { partition });
                }
            }
            self.common.store.append(batch).await
        })
    }
    fn subscribe(&self, subscriber: Subscriber) {
        self.common.store.subscribe(subscriber);
    }
    fn load(&self, device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        self.common.store.load(device)
    }
    fn history(&self, device: DeviceNumber, before: Option<u64>, limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        self.common.store.history(device, before, limit)
    }
    fn read_all(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        self.common.store.read_all(after, limit)
    }
    fn wants_snapshot(&self, shelf: usize) -> bool {
        self.common.store.wants_snapshot(shelf)
    }
    fn save_snapshot(&self, snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        self.common.store.save_snapshot(snapshot)
    }
    fn health(&self) -> StoreHealth {
        StoreHealth::default()
    }
    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        self.common.store.tidy()
    }
    fn metrics(&self) -> &fieldwatch_event_store::Metrics {
        self.common.store.metrics()
    }
    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }
}
