//! Refrigerated transport: set points, fridges that cycle, doors that open at stops, and now and then a failure.

use std::f64::consts::TAU;
use std::time::Duration;

use super::route::Route;
use super::{Trait, Values, random};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
/// In each such time a fridge fails at most once.
const FAILURE_EPOCH_SECONDS: f64 = 8.0 * HOUR;
/// How many of those times hold a failure.
const FAILURES_PER_EPOCH: f64 = 1.0 / 30.0;
const DOORS_OPEN_AT_A_STOP: f64 = 0.6;

/// What kind of refrigerated thing a device travels with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Frozen goods at −20 °C; drives and stops.
    Reefer,
    /// Chilled goods at 2 to 8 °C; drives short ways and stops often.
    Chiller,
    /// Frozen goods that stand in a yard.
    Container,
}

pub(super) fn kind(device: u32) -> Kind {
    match device % 5 {
        0 | 3 => Kind::Reefer,
        1 | 4 => Kind::Chiller,
        _ => Kind::Container,
    }
}

impl Kind {
    pub(super) fn id_prefix(self) -> &'static str {
        match self {
            Kind::Reefer => "reefer",
            Kind::Chiller => "chiller",
            Kind::Container => "container",
        }
    }

    fn set_point_celsius(self) -> f64 {
        match self {
            Kind::Reefer | Kind::Container => -20.0,
            Kind::Chiller => 5.0,
        }
    }

    /// How long it drives and then stands, in seconds.
    fn shift(self) -> (f64, f64) {
        match self {
            Kind::Reefer => (50.0 * MINUTE, 15.0 * MINUTE),
            Kind::Chiller => (18.0 * MINUTE, 8.0 * MINUTE),
            Kind::Container => (0.0, 6.0 * HOUR),
        }
    }
}

pub(super) fn values(routes: &[Route], seed: u64, device: u32, elapsed: Duration) -> Values {
    let kind = kind(device);
    let route = &routes[device as usize % routes.len()];
    let mut journey = random(seed, device, Trait::Journey, 0);
    // Each has been under way for some hours when the run starts, so that they do not all stop at once.
    let seconds = elapsed.as_secs_f64() + journey.between(8.0, 32.0) * HOUR;
    let place = route.at(journey.between(0.0, route.length_meters()) + driven_meters(kind, journey.between(50.0, 85.0), seconds));
    let set_point = kind.set_point_celsius();
    let warmer_outside = route.ambient_celsius + 4.0 - set_point;
    let temperature = set_point
        + fridge_cycle(seed, device, seconds)
        + doors_celsius(kind, seed, device, seconds).max(failure_part(seed, device, seconds) * warmer_outside);
    Values { temperature, lat: place.lat, lon: place.lon }
}

fn driven_meters(kind: Kind, kmh: f64, seconds: f64) -> f64 {
    let (drive, stand) = kind.shift();
    let shifts = (seconds / (drive + stand)).floor();
    let in_shift = (seconds - shifts * (drive + stand)).min(drive);
    (shifts * drive + in_shift) * kmh / 3.6
}

/// The compressor switches at 0.8 °C above and below: slowly warmer, then colder twice as fast.
fn fridge_cycle(seed: u64, device: u32, seconds: f64) -> f64 {
    const SWING_CELSIUS: f64 = 0.8;
    const WARMING_PART: f64 = 2.0 / 3.0;
    let mut climate = random(seed, device, Trait::Climate, 0);
    let period = climate.between(12.0, 30.0) * MINUTE;
    let at = (seconds / period + climate.between(0.0, 1.0)).fract();
    let up = if at < WARMING_PART { at / WARMING_PART } else { (1.0 - at) / (1.0 - WARMING_PART) };
    // The air at the sensor is never quite still.
    SWING_CELSIUS * (2.0 * up - 1.0) + 0.05 * (seconds * TAU / 41.0).sin()
}

/// How much warmer it is because the doors were opened, at this stop or the one before.
fn doors_celsius(kind: Kind, seed: u64, device: u32, seconds: f64) -> f64 {
    const WARMEST_CELSIUS: f64 = 12.0;
    const WARMING_SECONDS: f64 = 8.0 * MINUTE;
    const COOLING_SECONDS: f64 = 6.0 * MINUTE;
    let (drive, stand) = kind.shift();
    let shift = (seconds / (drive + stand)).floor();
    let of_shift = |shift: f64| {
        let mut doors = random(seed, device, Trait::Doors, shift as u64);
        if doors.unit() >= DOORS_OPEN_AT_A_STOP {
            return 0.0;
        }
        let opened = shift * (drive + stand) + drive + doors.between(0.05, 0.3) * stand;
        let open_for = doors.between(2.0, 5.0) * MINUTE;
        let since = seconds - opened;
        let warming = |open_for: f64| WARMEST_CELSIUS * (1.0 - (-open_for / WARMING_SECONDS).exp());
        if since < 0.0 {
            0.0
        } else if since < open_for {
            warming(since)
        } else {
            warming(open_for) * ((open_for - since) / COOLING_SECONDS).exp()
        }
    };
    of_shift(shift).max(of_shift(shift - 1.0))
}

/// How far the load has come from its set point (0) to the air outside (1) because the fridge failed.
fn failure_part(seed: u64, device: u32, seconds: f64) -> f64 {
    const WARMING_SECONDS: f64 = 90.0 * MINUTE;
    const COOLING_SECONDS: f64 = 40.0 * MINUTE;
    let epoch = (seconds / FAILURE_EPOCH_SECONDS).floor();
    let of_epoch = |epoch: f64| {
        let mut failures = random(seed, device, Trait::Failures, epoch as u64);
        if failures.unit() >= FAILURES_PER_EPOCH {
            return 0.0;
        }
        let since = seconds - (epoch + failures.between(0.0, 0.6)) * FAILURE_EPOCH_SECONDS;
        let lasts = failures.between(1.5, 3.0) * HOUR;
        let warming = |time: f64| 1.0 - (-time / WARMING_SECONDS).exp();
        if since < 0.0 {
            0.0
        } else if since < lasts {
            warming(since)
        } else {
            warming(lasts) * ((lasts - since) / COOLING_SECONDS).exp()
        }
    };
    of_epoch(epoch).max(of_epoch(epoch - 1.0))
}

#[cfg(test)]
mod tests {
    use crate::fleet::{Fleet, Profile};

    use super::*;

    const DAY_SECONDS: u64 = 86_400;

    /// How far each device is above its set point over a day, once a minute.
    fn day(device: u32) -> Vec<f64> {
        let fleet = Fleet::new(Profile::ColdChain, 500, 3);
        let set_point = kind(device).set_point_celsius();
        (0..DAY_SECONDS / 60)
            .map(|minute| fleet.reading(device, minute, Duration::from_secs(minute * 60)).temperature - set_point)
            .collect()
    }

    #[test]
    fn most_of_the_time_a_load_is_near_its_set_point() {
        let (mut near, mut all) = (0, 0);
        for device in 0..100 {
            let day = day(device);
            near += day.iter().filter(|above| above.abs() <= 3.0).count();
            all += day.len();
            assert!(day.iter().all(|above| *above > -1.0), "device {device} is colder than its fridge makes it");
        }
        assert!(near * 100 > all * 80, "{near} of {all}");
        assert!(near < all, "no door was opened in a day");
    }

    #[test]
    fn a_failure_is_rare_but_there_is_one() {
        // A door alone never brings more than 6 °C and the fridge's own swing.
        let failed = (0..200).filter(|&device| day(device).iter().any(|above| *above > 8.0)).count();
        assert!((1..=60).contains(&failed), "{failed} of 200 in a day");
    }

    #[test]
    fn values_move_without_a_jump() {
        let fleet = Fleet::new(Profile::ColdChain, 50, 3);
        for device in 0..50 {
            let at = |second| fleet.reading(device, second, Duration::from_secs(second));
            for second in 0..20_000 {
                let (now, next) = (at(second), at(second + 1));
                assert!((next.temperature - now.temperature).abs() < 0.12, "device {device} at {second} s");
                assert!((next.lat - now.lat).abs() < 0.0005, "device {device} at {second} s");
            }
        }
    }

    #[test]
    fn a_container_stands_still() {
        let fleet = Fleet::new(Profile::ColdChain, 50, 3);
        let at = |hours: u64| fleet.reading(2, 0, Duration::from_secs(hours * 3_600));
        assert_eq!(kind(2), Kind::Container);
        assert_eq!((at(0).lat, at(0).lon), (at(9).lat, at(9).lon));
    }
}
