//! The one place that knows how shards are set up, fed and looked at.

use crate::fakes::{FakeParking, FakeQueue, FakeStore, Next};
use fieldwatch_broker::{Entries, ReadingQueue};
use fieldwatch_device_state::{DeviceStates, ReadingLabel, ReadingResult, Running, StateOptions};
use fieldwatch_domain::{
    Celsius, Description, DeviceNumber, DeviceNumbers, Edit, EventType, Location, Reading, ReadingId, Rules, Timestamp,
};
use fieldwatch_event_store::{DeviceState, Entry, EventStore, RecoverError, Recovered};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

/// The wall clock's time when a world begins.
pub(crate) const BEGINNING: i64 = 1_767_225_600_000;

/// Shards that run on a paused clock, with all that is around them.
pub(crate) struct World {
    pub(crate) store: Arc<FakeStore>,
    pub(crate) queue: Arc<FakeQueue>,
    pub(crate) parking: Arc<FakeParking>,
    pub(crate) numbers: Arc<DeviceNumbers>,
    pub(crate) running: Running,
    pub(crate) options: StateOptions,
    shards: JoinSet<()>,
    began: Instant,
}

/// Options of two shards without silence or passivation.
pub(crate) fn options() -> StateOptions {
    let began = Instant::now();
    StateOptions {
        rules: Rules::default(),
        idle_after: None,
        silent_after: None,
        recognise_repeats: true,
        shards: 2,
        clock: Arc::new(move || Timestamp::from_unix_ms(BEGINNING + began.elapsed().as_millis() as i64)),
        panics_on: None,
    }
}

impl World {
    pub(crate) async fn start(options: StateOptions) -> Self {
        let parts = (Arc::default(), Arc::new(FakeQueue::new(64)), Arc::default(), Arc::default());
        Self::start_with(options, parts, Instant::now()).await
    }

    async fn start_with(
        options: StateOptions,
        (store, queue, parking, numbers): (Arc<FakeStore>, Arc<FakeQueue>, Arc<FakeParking>, Arc<DeviceNumbers>),
        began: Instant,
    ) -> Self {
        let states = DeviceStates::new(options.clone(), numbers.clone());
        let visit = |recovered: Recovered<'_>| states.recovered(&recovered);
        let recovery: Result<_, RecoverError> = store.recover(&visit).await;
        let recovery = recovery.expect("the fake recovers");
        let as_store: Arc<dyn EventStore> = store.clone();
        let as_queue: Arc<dyn ReadingQueue> = queue.clone();
        let as_parking: Arc<dyn fieldwatch_broker::Parking> = parking.clone();
        let (running, shards) =
            states.into_shards(&as_store, &as_queue, &as_parking, &recovery.checkpoints).expect("64 partitions can be consumed");
        let mut tasks = JoinSet::new();
        for shard in shards {
            tasks.spawn(shard.run());
        }
        Self { store, queue, parking, numbers, running, options, shards: tasks, began }
    }

    /// The process dies where it is, and starts again on what was stored.
    pub(crate) async fn crash_and_restart(self) -> Self {
        let Self { store, queue, parking, numbers, running, options, mut shards, began } = self;
        shards.shutdown().await;
        drop(running);
        queue.crashed();
        store.inner.lock().next.clear();
        store.inner.lock().hanging = 0;
        Self::start_with(options, (store, queue, parking, numbers), began).await
    }

    /// Lets go of the shards without stopping them.
    pub(crate) async fn drop_running_and_wait_for_the_end(self) {
        let Self { running, mut shards, .. } = self;
        drop(running);
        while let Some(ended) = shards.join_next().await {
            ended.expect("a shard ends without a panic");
        }
    }

    /// The wall clock's time.
    pub(crate) fn now(&self) -> Timestamp {
        (self.options.clock)()
    }

    pub(crate) fn device(&self, id: &str) -> DeviceNumber {
        self.numbers.number(id)
    }

    /// A reading of now, without a time of its own; `id` is its id's number.
    pub(crate) fn reading(&self, id: u64, degrees: f64, latitude: f64) -> Reading {
        Reading {
            temperature: Celsius::from_stored((degrees * 10_000.0).round() as i32),
            location: Location::from_stored((latitude * 10_000_000.0).round() as i32, 0),
            at: None,
            received_at: self.now(),
            id: ReadingId::given(id),
        }
    }

    pub(crate) fn send(&self, device_id: &str, reading: &Reading) {
        let mut entries = Entries::new(self.queue.partitions());
        entries.record(device_id, reading);
        self.queue.put(&entries);
    }

    /// Asks a device to take a name.
    pub(crate) fn describe(&self, device_id: &str, command: u64, name: &str) {
        let mut entries = Entries::new(self.queue.partitions());
        entries.describe(device_id, command, &Description::new(Some(name), &[]).expect("a valid name"));
        self.queue.put(&entries);
    }

    /// Asks a device for a change of its name, its labels, or both.
    pub(crate) fn edit(&self, device_id: &str, command: u64, edit: &Edit) {
        let mut entries = Entries::new(self.queue.partitions());
        entries.edit(device_id, command, edit);
        self.queue.put(&entries);
    }

    /// Asks a device to be forgotten.
    pub(crate) fn forget(&self, device_id: &str, command: u64) {
        let mut entries = Entries::new(self.queue.partitions());
        entries.forget(device_id, command);
        self.queue.put(&entries);
    }

    /// Sends readings and waits until they are stored as decided.
    pub(crate) async fn take(&self, readings: &[(&str, Reading)]) {
        let mut entries = Entries::new(self.queue.partitions());
        for (device_id, reading) in readings {
            entries.record(device_id, reading);
        }
        self.queue.put(&entries);
        self.settled().await;
    }

    /// Waits until everything in the queue is stored as decided.
    pub(crate) async fn settled(&self) {
        self.until("the queue is worked off", || self.queue.in_front() == 0).await;
    }

    /// Waits for a condition, on the paused clock.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_mins(10);
        while !condition() {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets time pass, and everything that is due in it happen.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Since the world began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Versions and types of a device's stored events.
    pub(crate) fn events(&self, device_id: &str) -> Vec<(u64, EventType)> {
        let device = self.device(device_id);
        let event = |entry: &Entry| match entry {
            Entry::Event(event) if event.device == device => Some((event.version, event.event.event_type())),
            Entry::Event(_) | Entry::Late(_) | Entry::Observation(_) | Entry::Passivated(_) => None,
        };
        self.store.inner.lock().log.iter().filter_map(event).collect()
    }

    /// A device's stored entries.
    pub(crate) fn entries(&self, device_id: &str) -> Vec<Entry> {
        let device = self.device(device_id);
        self.store.inner.lock().log.iter().filter(|entry| entry.device() == device).cloned().collect()
    }

    /// The fold of what is stored of a device.
    pub(crate) fn stored(&self, device_id: &str) -> DeviceState {
        self.store.inner.lock().states.get(&self.device(device_id)).cloned().unwrap_or_default()
    }

    pub(crate) fn store_does_next(&self, next: Next) {
        self.store.inner.lock().next.push_back(next);
    }

    pub(crate) fn counted(&self, result: ReadingResult) -> u64 {
        self.running.metrics().readings.get_or_create(&ReadingLabel { result }).get()
    }
}
