//! The directory shows what the fold of a device's entries says, for any history.

use fieldwatch_directory::{Counts, Directory, DirectoryOptions, Status};
use fieldwatch_domain::{
    Celsius, Description, DeviceEvent, DeviceNumber, DeviceNumbers, Location, Outcome, Presence, Reading, ReadingId, RecordedEvent,
    Rules, SHELVES, Timestamp,
};
use fieldwatch_event_store::{DeviceState, Entry, LateReading, Observation, Recovered, Stored};
use proptest::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

const DEVICES: usize = 5;
const IDLE_AFTER_MS: i64 = 1_000;

/// Something that is done to a device.
#[derive(Clone, Debug)]
enum Step {
    Reading { temperature: i32, latitude: i32, at: i64 },
    Repeat,
    GoSilent,
    Describe(bool),
    Forget,
    Passivate,
}

fn any_step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        8 => (0..3i32, 0..3i32, 0..40i64).prop_map(|(temperature, latitude, at)| Step::Reading {
            temperature: temperature * 15_000,
            latitude: latitude * 60_000,
            at,
        }),
        1 => Just(Step::Repeat),
        2 => Just(Step::GoSilent),
        1 => any::<bool>().prop_map(Step::Describe),
        1 => Just(Step::Forget),
        1 => Just(Step::Passivate),
    ];
    (0..DEVICES, step)
}

/// A fleet that decides as the device states do, and what the fold of its entries says.
struct Fleet {
    numbers: Arc<DeviceNumbers>,
    devices: Vec<(DeviceNumber, DeviceState)>,
    position: u64,
    now: i64,
}

impl Fleet {
    fn new() -> Self {
        let numbers = Arc::new(DeviceNumbers::default());
        let devices = (0..DEVICES).map(|n| (numbers.number(&format!("device-{n}")), DeviceState::default())).collect();
        Self { numbers, devices, position: 0, now: 0 }
    }

    fn step(&mut self, device: usize, step: &Step) -> Vec<Entry> {
        self.now += 1;
        let now = Timestamp::from_unix_ms(self.now);
        let (number, state) = self.devices[device].clone();
        let none = |events: Option<DeviceEvent>| (events.into_iter().collect::<Vec<_>>(), None);
        let (events, reading) = match step {
            Step::Reading { .. } | Step::Repeat => {
                let (temperature, latitude, at) = match step {
                    Step::Reading { temperature, latitude, at } => (*temperature, *latitude, *at),
                    _ => (0, 0, 0),
                };
                let reading = Reading {
                    temperature: Celsius::from_stored(temperature),
                    location: Location::from_stored(latitude, 5),
                    at: Some(Timestamp::from_unix_ms(at)),
                    received_at: now,
                    id: ReadingId::given(if matches!(step, Step::Repeat) { 1 } else { self.now as u64 }),
                };
                let mut events = Vec::new();
                let outcome = state.device.record(&state.tracking, &reading, &Rules::default(), &mut events);
                (events, Some((reading, outcome)))
            }
            Step::GoSilent => none(state.device.go_silent(&state.tracking)),
            Step::Describe(named) => {
                let description = Description::new(named.then_some("Name"), &[]).expect("a valid name");
                none(state.device.describe(&description).flatten())
            }
            Step::Forget => none(state.device.forget()),
            Step::Passivate => return vec![Entry::Passivated(Box::new((number, state.device, state.tracking)))],
        };
        let mut entries = Vec::new();
        for event in events {
            self.position += 7;
            let (at, id) = match &reading {
                Some((reading, Outcome::Taken { at } | Outcome::Late { at })) => (*at, Some(reading.id.clone())),
                _ => (now, None),
            };
            let version = state.device.version() + 1 + entries.len() as u64;
            let recorded = RecordedEvent {
                device: number,
                version,
                position: self.position,
                at,
                recorded_at: now,
                received_at: now,
                reading_id: id,
                event,
            };
            entries.push(Entry::Event(recorded));
        }
        match reading {
            Some((reading, Outcome::Late { at })) => {
                self.position += 7;
                entries.push(Entry::Late(LateReading {
                    device: number,
                    position: self.position,
                    at,
                    received_at: now,
                    temperature: reading.temperature,
                    location: reading.location,
                    reading_id: reading.id,
                }));
            }
            Some((reading, Outcome::Taken { at })) if entries.is_empty() => {
                let fingerprint = reading.id.fingerprint();
                entries.push(Entry::Observation(Observation { device: number, at, received_at: now, fingerprint }));
            }
            _ => {}
        }
        for entry in &entries {
            self.devices[device].1.apply(entry);
        }
        entries
    }

    fn check(&self, directory: &Directory) {
        let mut counts = Counts::default();
        let mut shown = Vec::new();
        for (number, DeviceState { device, tracking }) in &self.devices {
            let row = directory.row(*number);
            let found = self.numbers.with_id(*number, |id| directory.find(id));
            assert_eq!(found.as_ref().map(|view| view.row), row);
            let Some(row) = row else {
                assert_eq!(device.presence(), Presence::Unknown);
                continue;
            };
            shown.push((*number, row));
            assert_eq!(found.map(|view| view.description), Some(device.description().clone()));
            assert_eq!(row.temperature, device.temperature());
            assert_eq!(row.location, device.location());
            assert_eq!(row.version, device.version());
            assert_eq!(row.last_seen, tracking.newest_at);
            assert_eq!(row.received_at, tracking.received_at);
            assert_eq!(row.late_readings, tracking.late_readings);
            match device.presence() {
                Presence::Unknown => panic!("an unknown device is shown"),
                Presence::Present => assert_ne!(row.status, Status::Silent),
                Presence::Silent { .. } => assert_eq!(row.status, Status::Silent),
            }
            match row.status {
                Status::Active => counts.active += 1,
                Status::Idle => counts.idle += 1,
                Status::Silent => counts.silent += 1,
            }
        }
        assert_eq!(directory.counts(), counts);
        let mut shelves: Vec<_> = (0..SHELVES).flat_map(|shelf| directory.shelf(shelf)).collect();
        shelves.sort_by_key(|(number, _)| *number);
        shown.sort_by_key(|(number, _)| *number);
        assert_eq!(shelves, shown);
    }
}

fn directory_at(fleet: &Fleet, now: &Arc<AtomicI64>) -> Directory {
    let now = Arc::clone(now);
    let clock = Arc::new(move || Timestamp::from_unix_ms(now.load(Ordering::SeqCst)));
    let idle_after = Some(Duration::from_millis(IDLE_AFTER_MS as u64));
    Directory::new(DirectoryOptions { idle_after, clock }, Arc::clone(&fleet.numbers))
}

proptest! {
    #[test]
    fn the_directory_shows_what_the_fold_says(steps in prop::collection::vec(any_step(), 0..120), batch in 1..9usize) {
        let mut fleet = Fleet::new();
        let directory = directory_at(&fleet, &Arc::default());
        for steps in steps.chunks(batch) {
            let entries = steps.iter().flat_map(|(device, step)| fleet.step(*device, step)).collect();
            directory.apply(&Stored { entries, newest: fleet.position });
            fleet.check(&directory);
            prop_assert_eq!(directory.position(), fleet.position);
        }
    }

    #[test]
    fn a_restored_directory_is_the_one_that_was(steps in prop::collection::vec(any_step(), 0..120), saved in 0..120usize) {
        let mut fleet = Fleet::new();
        let live = directory_at(&fleet, &Arc::default());
        let restored = directory_at(&fleet, &Arc::default());
        for (at, (device, step)) in steps.iter().enumerate() {
            let entries = fleet.step(*device, step);
            live.apply(&Stored { entries: entries.clone(), newest: fleet.position });
            if at == saved {
                fleet.devices.iter().for_each(|(number, state)| restored.recovered(&Recovered::Device(*number, state.clone())));
            } else if at > saved {
                for entry in &entries {
 restored.recovered(&Recovered::Entry(entry));
 }
            }
        }
        if saved < steps.len() {
            restored.caught_up(fleet.position);
            prop_assert_eq!(restored.position(), live.position());
            prop_assert_eq!(restored.counts(), live.counts());
            for (number, _) in &fleet.devices {
                prop_assert_eq!(restored.row(*number), live.row(*number));
            }
            fleet.check(&restored);
        }
    }
}

#[test]
fn a_device_has_the_version_of_its_last_event_also_where_versions_were_left_out() {
    let mut fleet = Fleet::new();
    let directory = directory_at(&fleet, &Arc::default());
    let reading = |temperature| Step::Reading { temperature, latitude: 0, at: 10 };
    fleet.step(0, &reading(0));
    fleet.step(0, &Step::Forget); // both were erased before they were read
    for step in [reading(0), reading(300_000)] {
        let entries = fleet.step(0, &step);
        directory.apply(&Stored { entries, newest: fleet.position });
    }
    assert_eq!(directory.row(fleet.devices[0].0).map(|row| row.version), Some(4));
    fleet.check(&directory);
}

#[test]
fn a_device_is_idle_from_idle_after_until_its_next_reading() {
    let mut fleet = Fleet::new();
    let now = Arc::new(AtomicI64::new(0));
    let directory = directory_at(&fleet, &now);
    let reading = |at| Step::Reading { temperature: 0, latitude: 0, at };
    let tell = |fleet: &mut Fleet, device: usize, step: &Step| {
        let entries = fleet.step(device, step);
        directory.apply(&Stored { entries, newest: fleet.position });
    };
    tell(&mut fleet, 0, &reading(10)); // received at 1
    tell(&mut fleet, 1, &reading(10)); // received at 2
    now.store(IDLE_AFTER_MS, Ordering::SeqCst);
    assert_eq!(directory.mark_idle(), []);
    now.store(IDLE_AFTER_MS + 1, Ordering::SeqCst);
    assert_eq!(directory.mark_idle(), [fleet.devices[0].0]);
    assert_eq!(directory.mark_idle(), [], "told once");
    assert_eq!(directory.counts(), Counts { active: 1, idle: 1, silent: 0 });
    fleet.check(&directory);

    fleet.now = IDLE_AFTER_MS;
    tell(&mut fleet, 0, &reading(10)); // an observation
    assert_eq!(directory.counts(), Counts { active: 2, idle: 0, silent: 0 });
    tell(&mut fleet, 1, &Step::GoSilent);
    now.store(9 * IDLE_AFTER_MS, Ordering::SeqCst);
    assert_eq!(directory.mark_idle(), [fleet.devices[0].0], "a silent device stays silent");
    assert_eq!(directory.counts(), Counts { active: 0, idle: 1, silent: 1 });
    tell(&mut fleet, 0, &reading(1)); // late, but heard of
    tell(&mut fleet, 1, &reading(1)); // late, but back
    assert_eq!(directory.counts(), Counts { active: 2, idle: 0, silent: 0 });
    fleet.check(&directory);
}

#[test]
fn after_a_restart_who_is_idle_follows_from_the_last_receipt() {
    let mut fleet = Fleet::new();
    let now = Arc::new(AtomicI64::new(2 * IDLE_AFTER_MS));
    let directory = directory_at(&fleet, &now);
    fleet.step(0, &Step::Reading { temperature: 0, latitude: 0, at: 5 });
    fleet.now = 2 * IDLE_AFTER_MS;
    fleet.step(1, &Step::Reading { temperature: 0, latitude: 0, at: 5 });
    fleet.devices.iter().for_each(|(number, state)| directory.recovered(&Recovered::Device(*number, state.clone())));
    directory.caught_up(fleet.position);
    assert_eq!(directory.counts(), Counts { active: 1, idle: 1, silent: 0 });
    fleet.check(&directory);
}

#[test]
fn idle_devices_are_looked_for_often_enough_but_not_more() {
    let interval = |idle_after| {
        let options = DirectoryOptions { idle_after, clock: Arc::new(|| Timestamp::EPOCH) };
        Directory::new(options, Arc::default()).idle_interval()
    };
    assert_eq!(interval(None), None);
    assert_eq!(interval(Some(Duration::from_millis(1))), Some(Duration::from_millis(100)));
    assert_eq!(interval(Some(Duration::from_mins(1))), Some(Duration::from_secs(3)));
    assert_eq!(interval(Some(Duration::from_hours(24))), Some(Duration::from_secs(30)));
}
