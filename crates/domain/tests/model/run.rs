//! A device and the model of it, taken through the same steps.

use super::history::{Change, Degrees, Fact, Fate, History, Told};
use fieldwatch_domain::{
    Celsius, Description, Device, DeviceEvent, Location, Outcome, Presence, Reading, ReadingId, Rules, Timestamp, Tracking,
    distance_km,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;
use std::collections::HashSet;

/// Something that is done to a device.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Reading { temperature: i32, location: Location, at: Option<i64>, received_at: i64, id: String },
    Silence,
    Describe { name: Option<String> },
    Forget,
}

/// The thresholds, each as the contract's users write it and as the domain keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    similar_within: i32,
    moved_at_least_km: f64,
}

pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    // 0.05 °C lies between 10.30 and 10.35; one of the distances is exactly that of two places.
    let exactly = distance_km(places()[0], places()[2]);
    (select(vec![0, 500, 20_000]), select(vec![0.0, exactly, 1.0, 100.0, 30_000.0]))
        .prop_map(|(similar_within, moved_at_least_km)| Settings { similar_within, moved_at_least_km })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    // 10.30 and what is equal, similar, exactly at and one step beyond the thresholds of it.
    let temperatures = vec![103_000, 103_000, 103_001, 103_500, 102_500, 103_501, 102_499, 83_000, 123_000, 123_001, 0, -1];
    let reading = (select(temperatures), select(places()), option::of(0i64..12), 0i64..12, 0u32..40).prop_map(
        |(temperature, location, at, received_at, id)| Step::Reading {
            temperature,
            location,
            at,
            received_at,
            id: format!("r{id}"),
        },
    );
    prop_oneof![
        20 => reading,
        2 => Just(Step::Silence),
        1 => option::of("[ab]").prop_map(|name| Step::Describe { name }),
        1 => Just(Step::Forget),
    ]
}

/// Places that are odd, or near to each other: about 0, 0.00001, 1 and 111 km apart, at a pole, on both sides of 180°.
pub(crate) fn places() -> Vec<Location> {
    [
        (385_698_000, 456_974_000),
        (385_698_001, 456_974_000),
        (385_788_000, 456_974_000),
        (385_787_931, 456_974_000),
        (395_698_000, 456_974_000),
        (900_000_000, 0),
        (900_000_000, 1_000_000_000),
        (-900_000_000, 0),
        (0, 1_800_000_000),
        (0, -1_800_000_000),
        (0, -1_799_999_999),
        (0, 0),
        (-385_698_000, -1_343_026_000),
    ]
    .map(|(latitude, longitude)| Location::from_stored(latitude, longitude))
    .to_vec()
}

pub(crate) struct Run {
    rules: Rules,
    device: Device,
    tracking: Tracking,
    events: Vec<(DeviceEvent, Timestamp)>,
    history: History,
    clock: i64,
    /// What was met on the way, so that a test can tell that the steps lead somewhere.
    pub(crate) met: HashSet<&'static str>,
}

impl Run {
    pub(crate) fn new(settings: Settings) -> Self {
        let Settings { similar_within, moved_at_least_km } = settings;
        Self {
            rules: Rules { similar_within: Celsius::from_stored(similar_within), moved_at_least_km },
            device: Device::default(),
            tracking: Tracking::default(),
            events: Vec::new(),
            history: History { similar_within: exact(similar_within), moved_at_least_km, facts: Vec::new() },
            clock: 0,
            met: HashSet::new(),
        }
    }

    /// Takes both a step further and compares what they say and where they stand.
    pub(crate) fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.clock += 1;
        match step {
            Step::Reading { temperature, location, at, received_at, id } => {
                self.reading(*temperature, *location, *at, *received_at, id)?;
            }
            Step::Silence => {
                let raised = self.device.go_silent(&self.tracking);
                prop_assert_eq!(
                    raised.iter().map(told).collect::<Vec<_>>(),
                    self.history.silence().into_iter().collect::<Vec<_>>()
                );
                if raised.is_some() {
                    self.history.facts.push(Fact::WentSilent { recorded_at: self.clock });
                }
                self.store(raised);
            }
            Step::Describe { name } => {
                let description = Description::new(name.as_deref(), &[]).expect("a short name");
                let raised = self.device.describe(&description);
                let is_new = name.as_deref() != self.history.name();
                let expected = self.history.is_known().then(|| is_new.then(|| Told::Described { name: name.clone() }));
                prop_assert_eq!(raised.clone().map(|raised| raised.as_ref().map(told)), expected);
                if let Some(Some(_)) = raised {
                    self.history.facts.push(Fact::Described { name: name.clone() });
                }
                self.store(raised.flatten());
            }
            Step::Forget => {
                let raised = self.device.forget();
                prop_assert_eq!(raised.as_ref().map(told), self.history.is_known().then_some(Told::Forgotten));
                if raised.is_some() {
                    self.history.facts.push(Fact::Forgotten);
                    self.tracking = Tracking::default();
                }
                self.store(raised);
            }
        }
        self.check_state()
    }

    fn reading(
        &mut self,
        temperature: i32,
        location: Location,
        at: Option<i64>,
        received_at: i64,
        id: &str,
    ) -> Result<(), TestCaseError> {
        let (fate, expected) = self.history.reading(exact(temperature), location, at, received_at, id);
        let reading = Reading {
            temperature: Celsius::from_stored(temperature),
            location,
            at: at.map(Timestamp::from_unix_ms),
            received_at: Timestamp::from_unix_ms(received_at),
            id: ReadingId::new(id).expect("a short id"),
        };
        let mut raised = Vec::new();
        let outcome = self.device.record(&self.tracking, &reading, &self.rules, &mut raised);
        prop_assert_eq!(raised.iter().map(told).collect::<Vec<_>>(), expected);
        match (outcome, &fate) {
            (Outcome::Repeated, Fate::Repeated) => {}
            (Outcome::Late { at }, Fate::Late { at: expected }) | (Outcome::Taken { at }, Fate::Taken { at: expected }) => {
                prop_assert_eq!(at.unix_ms(), *expected);
            }
            (outcome, fate) => prop_assert!(false, "{outcome:?} where the contract says {fate:?}"),
        }
        self.meet(&fate, &raised);
        match fate {
            Fate::Repeated => {}
            Fate::Late { .. } => {
                self.tracking.observe_late(reading.received_at, reading.id.fingerprint());
                self.history.facts.push(Fact::Late { id: id.to_owned() });
            }
            Fate::Taken { at } => {
                self.tracking.observe(Timestamp::from_unix_ms(at), reading.received_at, &reading.id);
                self.history.facts.push(Fact::Taken { temperature: exact(temperature), location, at, id: id.to_owned() });
            }
        }
        self.store(raised);
        Ok(())
    }

    fn store(&mut self, raised: impl IntoIterator<Item = DeviceEvent>) {
        let recorded_at = Timestamp::from_unix_ms(self.clock);
        for event in raised {
            self.met.insert(event.event_type().name());
            self.device.apply(&event, recorded_at);
            self.events.push((event, recorded_at));
        }
    }

    fn check_state(&self) -> Result<(), TestCaseError> {
        let mut replayed = Device::default();
        for (event, recorded_at) in &self.events {
            replayed.apply(event, *recorded_at);
        }
        prop_assert_eq!(&replayed, &self.device, "replay equals live state");
        prop_assert_eq!(self.device.version(), self.events.len() as u64, "versions go on over all lives");
        prop_assert_eq!(i64::from(self.tracking.late_readings), self.history.late_readings() as i64);
        let remembered: Vec<u64> = self.tracking.recent_ids.oldest_first().collect();
        let mut expected: Vec<u64> =
            self.history.last_16_ids().map(|id| ReadingId::new(id).expect("a short id").fingerprint()).collect();
        expected.reverse();
        prop_assert_eq!(remembered, expected);

        let Some((temperature, location)) = self.history.current() else {
            prop_assert_eq!(self.device.presence(), Presence::Unknown);
            prop_assert!(self.device.description().is_empty());
            return Ok(());
        };
        prop_assert_eq!(exact(self.device.temperature().steps()), temperature);
        prop_assert_eq!(exact(self.device.notified_temperature().steps()), self.history.notified_temperature());
        prop_assert_eq!(self.device.location(), location);
        prop_assert_eq!(self.device.notified_location(), self.history.notified_location());
        prop_assert_eq!(self.device.description().name(), self.history.name());
        let presence = match self.history.silent_since() {
            Some(since) => Presence::Silent { since: Timestamp::from_unix_ms(since) },
            None => Presence::Present,
        };
        prop_assert_eq!(self.device.presence(), presence);
        prop_assert_eq!(Some(self.tracking.newest_at.unix_ms()), self.history.newest_at());
        Ok(())
    }

    fn meet(&mut self, fate: &Fate, raised: &[DeviceEvent]) {
        use DeviceEvent::{Created, IsBack};
        let what = match (fate, raised) {
            (Fate::Repeated, _) => "repeated",
            (Fate::Late { .. }, []) => "late",
            (Fate::Late { .. }, _) => "late and back",
            (Fate::Taken { .. }, []) => "taken without an event",
            (Fate::Taken { .. }, [Created { .. }]) if !self.events.is_empty() => "created again",
            (Fate::Taken { .. }, [IsBack { .. }, _, _]) => "back, temperature and location",
            (Fate::Taken { .. }, _) => return,
        };
        self.met.insert(what);
    }
}

/// Ten-thousandths of a degree as an exact decimal.
fn exact(steps: i32) -> Degrees {
    Decimal::new(steps.into(), 4)
}

/// An event of the domain in the words of the model.
fn told(event: &DeviceEvent) -> Told {
    let temperature = |change: Change, values: &fieldwatch_domain::TemperatureChange| Told::Temperature {
        change,
        temperature: exact(values.temperature.steps()),
        previous: exact(values.previous.steps()),
        notified: exact(values.notified.steps()),
        location: values.location,
    };
    let location = |is_close: bool, values: &fieldwatch_domain::LocationChange| Told::Location {
        is_close,
        location: values.location,
        previous: values.previous,
        notified: values.notified,
        temperature: exact(values.temperature.steps()),
    };
    match event {
        DeviceEvent::Created { temperature, location } => {
            Told::Created { temperature: exact(temperature.steps()), location: *location }
        }
        DeviceEvent::TemperatureIncreased(values) => temperature(Change::Increased, values),
        DeviceEvent::TemperatureDecreased(values) => temperature(Change::Decreased, values),
        DeviceEvent::SimilarTemperatureTraced(values) => temperature(Change::Similar, values),
        DeviceEvent::LocationChanged(values) => location(false, values),
        DeviceEvent::LocationChangedToAVeryCloseOne(values) => location(true, values),
        DeviceEvent::GoneSilent { last_seen } => Told::Silent { last_seen: last_seen.unix_ms() },
        DeviceEvent::IsBack { silent_since } => Told::Back { silent_since: silent_since.unix_ms() },
        DeviceEvent::Described(description) => Told::Described { name: description.name().map(str::to_owned) },
        DeviceEvent::Forgotten => Told::Forgotten,
    }
}
