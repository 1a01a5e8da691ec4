//! Devices as a state shard would have them: they decide, and remember what was decided.

use crate::{Batch, DeviceState, Entry, LateReading, Observation};
use fieldwatch_domain::{
    Celsius, Description, DeviceEvent, DeviceNumbers, Location, Outcome, Reading, ReadingId, RecordedEvent, Rules, Timestamp,
};
use fieldwatch_wire::queued::Checkpoint;
use std::{collections::BTreeMap, sync::Arc};

/// The first reading is from here on: 2026-01-01T00:00:00Z.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// Devices in memory, as the model that a store is compared with. What it decides it also folds at once.
#[derive(Clone)]
pub struct Fleet {
    numbers: Arc<DeviceNumbers>,
    states: BTreeMap<String, DeviceState>,
    now_ms: i64,
    next_id: u64,
    random: u64,
}

impl Fleet {
    /// No device yet. The seed leads [`Fleet::anything`].
    pub fn new(numbers: &Arc<DeviceNumbers>, seed: u64) -> Self {
        Self { numbers: Arc::clone(numbers), states: BTreeMap::new(), now_ms: BEGIN_MS, next_id: 1, random: seed }
    }

    /// Goes on in a process with other numbers.
    pub fn move_to(&mut self, numbers: &Arc<DeviceNumbers>) {
        self.numbers = Arc::clone(numbers);
    }

    /// What every device is by now.
    pub fn states(&self) -> &BTreeMap<String, DeviceState> {
        &self.states
    }

    /// What one device is by now.
    pub fn state(&self, id: &str) -> DeviceState {
        self.states.get(id).cloned().unwrap_or_default()
    }

    /// A reading in order; gives the entries it leads to.
    pub fn reading(&mut self, id: &str, celsius: i32, longitude: i32) -> Vec<Entry> {
        self.report(id, celsius, longitude, None)
    }

    /// A reading from an hour ago: late, unless it is the device's first.
    pub fn late_reading(&mut self, id: &str, celsius: i32) -> Vec<Entry> {
        let at = Timestamp::from_unix_ms(self.now_ms - 3_600_000);
        self.report(id, celsius, 0, Some(at))
    }

    fn report(&mut self, id: &str, celsius: i32, longitude: i32, at: Option<Timestamp>) -> Vec<Entry> {
        self.now_ms += 1_000;
        self.next_id += 1;
        // Both forms of a reading id take turns.
        let reading_id = if self.next_id.is_multiple_of(2) {
            ReadingId::given(self.next_id)
        } else {
            ReadingId::new(&format!("reading {}", self.next_id)).expect("a valid id")
        };
        let temperature = Celsius::from_stored(celsius * Celsius::STEPS_PER_DEGREE);
        let location = Location::from_stored(500_000_000, longitude * 100_000);
        let received_at = Timestamp::from_unix_ms(self.now_ms);
        let reading = Reading { temperature, location, at, received_at, id: reading_id.clone() };
        let state = self.state(id);
        let mut events = Vec::new();
        let outcome = state.device.record(&state.tracking, &reading, &Rules::default(), &mut events);
        let (at, is_late) = match outcome {
            Outcome::Repeated => return Vec::new(),
            Outcome::Late { at } => (at, true),
            Outcome::Taken { at } => (at, false),
        };
        let device = self.numbers.number(id);
        let mut entries = Vec::new();
        if is_late {
            let caused = events.into_iter().map(|event| (None, event)).collect();
            self.decide(id, received_at, caused, &mut entries);
            let late = LateReading { device, position: 0, at, received_at, temperature, location, reading_id };
            self.fold(id, Entry::Late(late), &mut entries);
        } else if events.is_empty() {
            let fingerprint = reading_id.fingerprint();
            self.fold(id, Entry::Observation(Observation { device, at, received_at, fingerprint }), &mut entries);
        } else {
            let caused = events.into_iter().map(|event| (Some(reading_id.clone()), event)).collect();
            self.decide(id, at, caused, &mut entries);
        }
        entries
    }

    /// Nothing was received for too long.
    pub fn silence(&mut self, id: &str) -> Vec<Entry> {
        let state = self.state(id);
        self.command(id, state.device.go_silent(&state.tracking))
    }

    /// Somebody gives the device a name.
    pub fn describe(&mut self, id: &str, name: &str) -> Vec<Entry> {
        let description = Description::new(Some(name), &["label".into()]).expect("valid");
        let event = self.state(id).device.describe(&description).flatten();
        self.command(id, event)
    }

    /// Somebody wants the device to be forgotten.
    pub fn forget(&mut self, id: &str) -> Vec<Entry> {
        let event = self.state(id).device.forget();
        self.command(id, event)
    }

    /// The device has been idle.
    pub fn passivate(&mut self, id: &str) -> Vec<Entry> {
        let DeviceState { device, tracking } = self.state(id);
        vec![Entry::Passivated(Box::new((self.numbers.number(id), device, tracking)))]
    }

    fn command(&mut self, id: &str, event: Option<DeviceEvent>) -> Vec<Entry> {
        self.now_ms += 1_000;
        let mut entries = Vec::new();
        let caused = event.into_iter().map(|event| (None, event)).collect();
        self.decide(id, Timestamp::from_unix_ms(self.now_ms), caused, &mut entries);
        entries
    }

    fn decide(&mut self, id: &str, at: Timestamp, caused: Vec<(Option<ReadingId>, DeviceEvent)>, entries: &mut Vec<Entry>) {
        let device = self.numbers.number(id);
        let recorded_at = Timestamp::from_unix_ms(self.now_ms + 5);
        let received_at = Timestamp::from_unix_ms(self.now_ms);
        for (reading_id, event) in caused {
            let version = self.state(id).device.version() + 1;
            let recorded = RecordedEvent { device, version, position: 0, at, recorded_at, received_at, reading_id, event };
            self.fold(id, Entry::Event(recorded), entries);
        }
    }

    fn fold(&mut self, id: &str, entry: Entry, entries: &mut Vec<Entry>) {
        self.states.entry(id.to_owned()).or_default().apply(&entry);
        entries.push(entry);
    }

    /// Anything that can happen, to one of `devices` devices.
    pub fn anything(&mut self, devices: u64) -> Vec<Entry> {
        let id = format!("device-{}", self.draw(devices));
        let (celsius, longitude) = (self.draw(8) as i32, self.draw(30) as i32);
        match self.draw(20) {
            0 => self.late_reading(&id, celsius),
            1 => self.silence(&id),
            2 => self.describe(&id, &format!("name {celsius}")),
            3 => self.forget(&id),
            4 | 5 if self.states.contains_key(&id) => self.passivate(&id),
            6..=9 => {
                // As the last one, so that it raises no event.
                let state = self.state(&id);
                let longitude = state.device.location().longitude() / 100_000;
                self.reading(&id, state.device.temperature().steps() / Celsius::STEPS_PER_DEGREE, longitude)
            }
            _ => self.reading(&id, celsius, longitude),
        }
    }

    /// A batch of anything, with a checkpoint of a partition.
    pub fn batch_of_anything(&mut self, devices: u64, steps: u64) -> Batch {
        let entries: Vec<Entry> = (0..steps).flat_map(|_| self.anything(devices)).collect();
        let partition = self.draw(4) as u16;
        let checkpoints = vec![Checkpoint { partition, progress: self.now_ms.to_le_bytes().into() }];
        Batch { entries, checkpoints }
    }

    /// A number below `below`, from the seed (`SplitMix64`).
    pub fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % below.max(1)
    }
}

/// A batch without checkpoints.
impl From<Vec<Entry>> for Batch {
    fn from(entries: Vec<Entry>) -> Self {
        Self { entries, checkpoints: Vec::new() }
    }
}
