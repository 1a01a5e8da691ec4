//! The device's decisions held against an independent model, and distances against another formula.
//!
//! The model ([`model::history`]) keeps no state: it looks back over all that ever happened to a device and works out from
//! there, in exact decimals, what the contract says must happen next. Values come from small sets, so that equal, similar
//! and threshold-exact ones are common.

mod model {
    pub(crate) mod distance;
    pub(crate) mod history;
    pub(crate) mod run;
}

use fieldwatch_domain::{
    Celsius, Device, DeviceEvent, Location, Outcome, Reading, ReadingId, Rules, Timestamp, Tracking, distance_km,
};
use model::distance::vector_distance_km;
use model::run::{Run, Settings, Step, places, settings, step};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_device_does_what_the_contract_says_and_replaying_its_events_gives_its_state(
        settings in settings(),
        steps in vec(step(), 1..60),
    ) {
        let mut run = Run::new(settings);
        for step in steps {
            run.take(&step)?;
        }
    }

    #[test]
    fn distances_agree_with_the_vector_form(
        from in (-900_000_000i32..=900_000_000, -1_800_000_000i32..=1_800_000_000),
        to in (-900_000_000i32..=900_000_000, -1_800_000_000i32..=1_800_000_000),
        near in (-20_000i32..20_000, -20_000i32..20_000),
        is_near: bool,
    ) {
        let from = Location::from_stored(from.0, from.1);
        let to = if is_near {
            let latitude = (from.latitude() + near.0).clamp(-Location::MAX_LATITUDE, Location::MAX_LATITUDE);
            Location::from_stored(latitude, (from.longitude() + near.1).clamp(-Location::MAX_LONGITUDE, Location::MAX_LONGITUDE))
        } else {
            Location::from_stored(to.0, to.1)
        };
        check_distance(from, to)?;
        prop_assert_eq!(distance_km(from, to).to_bits(), distance_km(to, from).to_bits(), "the way back is as long");
    }
}

#[test]
fn distances_agree_between_all_odd_places() {
    for from in places() {
        for to in places() {
            check_distance(from, to).expect("the two forms agree");
        }
    }
}

/// Relative to 10^-9; half the circumference to 10^-8, for there the arc sine of the haversine form is steep. A hundredth of
/// a micrometre is what the difference of two longitudes in radians can be off.
fn check_distance(from: Location, to: Location) -> Result<(), TestCaseError> {
    let (distance, expected) = (distance_km(from, to), vector_distance_km(from, to));
    let relative = if expected > 20_000.0 { 1e-8 } else { 1e-9 };
    prop_assert!(
        (distance - expected).abs() <= expected * relative + 1e-11,
        "{distance} km, expected {expected} km, {from:?} {to:?}"
    );
    Ok(())
}

/// A device whose last notified values are these.
fn device_at(temperature: i64, location: Location) -> (Device, Tracking) {
    let mut device = Device::default();
    let temperature = Celsius::new(temperature).expect("a believable temperature");
    device.apply(&DeviceEvent::Created { temperature, location }, Timestamp::EPOCH);
    let mut tracking = Tracking::default();
    tracking.observe(Timestamp::EPOCH, Timestamp::EPOCH, &ReadingId::given(1));
    (device, tracking)
}

fn reading(temperature: i64, location: Location) -> Reading {
    let temperature = Celsius::new(temperature).expect("a believable temperature");
    Reading { temperature, location, at: None, received_at: Timestamp::from_unix_ms(1), id: ReadingId::given(2) }
}

#[test]
fn a_difference_of_exactly_the_threshold_is_similar_and_one_step_more_is_not() {
    let home = Location::default();
    let rules = Rules { similar_within: Celsius::from_stored(500), ..Rules::default() };
    let (device, tracking) = device_at(103_000, home);
    let events_of = |temperature| {
        let mut events = Vec::new();
        assert!(matches!(device.record(&tracking, &reading(temperature, home), &rules, &mut events), Outcome::Taken { .. }));
        events
    };
    assert!(matches!(events_of(103_500)[..], [DeviceEvent::SimilarTemperatureTraced(_)]));
    assert!(matches!(events_of(102_500)[..], [DeviceEvent::SimilarTemperatureTraced(_)]));
    assert!(matches!(events_of(103_501)[..], [DeviceEvent::TemperatureIncreased(_)]));
    assert!(matches!(events_of(102_499)[..], [DeviceEvent::TemperatureDecreased(_)]));
    assert!(events_of(103_000).is_empty());
}

#[test]
fn a_distance_of_exactly_the_minimum_is_a_change_and_the_next_larger_minimum_makes_it_close() {
    let (home, away) = (Location::default(), Location::from_stored(89_932, 0));
    let (device, tracking) = device_at(0, home);
    let events_of = |moved_at_least_km| {
        let mut events = Vec::new();
        device.record(&tracking, &reading(0, away), &Rules { moved_at_least_km, ..Rules::default() }, &mut events);
        events
    };
    let minimum = distance_km(home, away);
    assert!(matches!(events_of(minimum)[..], [DeviceEvent::LocationChanged(_)]));
    assert!(matches!(events_of(minimum.next_up())[..], [DeviceEvent::LocationChangedToAVeryCloseOne(_)]));
}

#[test]
fn the_model_meets_every_event_and_every_outcome() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::HashSet;

    // The property above would prove little if its steps led nowhere.
    let mut runner = TestRunner::deterministic();
    let mut met = HashSet::new();
    for _ in 0..50 {
        let (settings, steps): (Settings, Vec<Step>) =
            (settings(), vec(step(), 1..60)).new_tree(&mut runner).expect("a case").current();
        let mut run = Run::new(settings);
        for step in steps {
            run.take(&step).expect("the model agrees");
        }
        met.extend(run.met);
    }
    for what in [
        "DeviceHasBeenCreated",
        "DeviceTemperatureHasIncreased",
        "DeviceTemperatureHasDecreased",
        "SimilarDeviceTemperatureWasTraced",
        "DeviceLocationHasChanged",
        "DeviceLocationHasChangedToAVeryCloseLocation",
        "DeviceHasGoneSilent",
        "DeviceIsBack",
        "DeviceHasBeenDescribed",
        "DeviceHasBeenForgotten",
        "repeated",
        "late",
        "taken without an event",
        "created again",
        "late and back",
        "back, temperature and location",
    ] {
        assert!(met.contains(what), "no step led to: {what}");
    }
}
