//! A fleet whose readings are decided by the domain, told to a directory and a hub.

use crate::fake_store::FakeStore;
use fieldwatch_directory::{Directory, DirectoryOptions};
use fieldwatch_domain::{
    Celsius, Description, DeviceEvent, DeviceNumber, DeviceNumbers, Location, Outcome, Reading, ReadingId, RecordedEvent, Rules,
    Timestamp,
};
use fieldwatch_event_store::{DeviceState, Entry, EventStore, LateReading, Observation};
use fieldwatch_push::{Hub, HubOptions};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// All parts of a read side.
pub(crate) struct Fleet {
    pub(crate) numbers: Arc<DeviceNumbers>,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) hub: Arc<Hub>,
    states: Mutex<States>,
}

#[derive(Default)]
struct States {
    devices: HashMap<DeviceNumber, DeviceState>,
    now: i64,
}

pub(crate) fn options() -> HubOptions {
    HubOptions {
        keep_alive: Duration::from_secs(15),
        frame_interval: Duration::from_millis(100),
        kept_events: 10_000,
        chunks: 16,
        max_streams: 100,
        clock: Arc::new(|| Timestamp::from_unix_ms(1_000_000)),
    }
}

impl Fleet {
    /// An empty one, whose hub runs.
    pub(crate) fn new(options: HubOptions) -> Arc<Self> {
        let numbers = Arc::new(DeviceNumbers::default());
        let store = Arc::new(FakeStore::default());
        let clock = Arc::new(|| Timestamp::from_unix_ms(1_000_000));
        let idle_after = Some(Duration::from_secs(1));
        let directory = Arc::new(Directory::new(DirectoryOptions { idle_after, clock }, Arc::clone(&numbers)));
        let hub = Hub::new(options, Arc::clone(&store) as Arc<dyn EventStore>, Arc::clone(&directory), Arc::clone(&numbers));
        let (told_directory, told_hub) = (Arc::clone(&directory), Arc::clone(&hub));
        store.subscribe(Box::new(move |stored| {
            told_directory.apply(stored);
            told_hub.announce(stored);
        }));
        tokio::spawn(Arc::clone(&hub).run());
        Arc::new(Self { numbers, store, directory, hub, states: Mutex::default() })
    }

    /// Stores readings as one batch: id, temperature in degrees, latitude and longitude in degrees.
    pub(crate) fn report(&self, readings: &[(&str, i32, i32, i32)]) {
        let entries = readings.iter().flat_map(|(id, temperature, lat, lon)| self.decide(id, *temperature, *lat, *lon)).collect();
        self.store.store(entries);
    }

    pub(crate) fn forget(&self, id: &str) {
        let state = self.state(id);
        self.raise(id, state.device.forget());
    }

    pub(crate) fn describe(&self, id: &str, name: &str) {
        let state = self.state(id);
        self.raise(id, state.device.describe(&Description::new(Some(name), &[]).unwrap()).flatten());
    }

    pub(crate) fn go_silent(&self, id: &str) {
        let state = self.state(id);
        self.raise(id, state.device.go_silent(&state.tracking));
    }

    pub(crate) fn number(&self, id: &str) -> DeviceNumber {
        self.numbers.number(id)
    }

    fn state(&self, id: &str) -> DeviceState {
        self.states.lock().devices.entry(self.number(id)).or_default().clone()
    }

    fn raise(&self, id: &str, event: Option<DeviceEvent>) {
        let now = self.tick();
        let entries = event.into_iter().map(|event| self.record(id, event, now, now, None)).collect();
        self.store.store(entries);
    }

    fn tick(&self) -> Timestamp {
        let mut states = self.states.lock();
        states.now += 1;
        Timestamp::from_unix_ms(states.now)
    }

    fn decide(&self, id: &str, temperature: i32, lat: i32, lon: i32) -> Vec<Entry> {
        let now = self.tick();
        let device = self.number(id);
        let reading = Reading {
            temperature: Celsius::from_stored(temperature * Celsius::STEPS_PER_DEGREE),
            location: Location::from_stored(lat * Location::STEPS_PER_DEGREE, lon * Location::STEPS_PER_DEGREE),
            at: None,
            received_at: now,
            id: ReadingId::given(now.unix_ms() as u64),
        };
        let state = self.state(id);
        let mut events = Vec::new();
        match state.device.record(&state.tracking, &reading, &Rules::default(), &mut events) {
            Outcome::Taken { at } if events.is_empty() => {
                let seen = Observation { device, at, received_at: now, fingerprint: reading.id.fingerprint() };
                self.states.lock().devices.get_mut(&device).unwrap().apply(&Entry::Observation(seen));
                vec![Entry::Observation(seen)]
            }
            Outcome::Taken { at } => {
                events.into_iter().map(|event| self.record(id, event, at, now, Some(reading.id.clone()))).collect()
            }
            Outcome::Late { .. } | Outcome::Repeated => panic!("these readings are neither late nor repeated"),
        }
    }

    fn record(&self, id: &str, event: DeviceEvent, at: Timestamp, now: Timestamp, reading_id: Option<ReadingId>) -> Entry {
        let device = self.number(id);
        let mut states = self.states.lock();
        let state = states.devices.entry(device).or_default();
        let version = state.device.version() + 1;
        let recorded = RecordedEvent { device, version, position: 0, at, recorded_at: now, received_at: now, reading_id, event };
        let entry = Entry::Event(recorded);
        state.apply(&entry);
        entry
    }

    /// A reading that came late: it is heard of, and no event.
    pub(crate) fn report_late(&self, id: &str) {
        let now = self.tick();
        self.store.store(vec![Entry::Late(LateReading {
            device: self.number(id),
            position: 0,
            at: Timestamp::EPOCH,
            received_at: now,
            temperature: Celsius::from_stored(0),
            location: Location::from_stored(0, 0),
            reading_id: ReadingId::given(now.unix_ms() as u64),
        })]);
    }
}
