//! Vehicles that drive closed routes at changing speed, and the air of their cabin.

use std::f64::consts::TAU;
use std::time::Duration;

use super::route::Route;
use super::{Trait, Values, random};

pub(super) fn kind(device: u32) -> &'static str {
    match device % 3 {
        0 => "truck",
        1 => "van",
        _ => "bus",
    }
}

/// Where the vehicle is and how warm its cabin.
pub(super) fn values(routes: &[Route], seed: u64, device: u32, elapsed: Duration) -> Values {
    let seconds = elapsed.as_secs_f64();
    let route = &routes[device as usize % routes.len()];
    let journey = Journey::of(route, seed, device);
    let place = route.at(journey.start_meters + journey.driven_meters(seconds));
    // A sensor of this kind tells tenths of a degree, so its values repeat as real ones do.
    let temperature = (cabin_celsius(route.ambient_celsius, seed, device, seconds) * 10.0).round() / 10.0;
    Values { temperature, lat: place.lat, lon: place.lon }
}

/// How one vehicle drives: about a mean speed, faster and slower in waves of some minutes.
struct Journey {
    start_meters: f64,
    mean_speed: f64,
    /// Which part of the mean speed is added and taken away, below 1.
    swing: f64,
    radians_per_second: f64,
    phase: f64,
}

impl Journey {
    fn of(route: &Route, seed: u64, device: u32) -> Journey {
        const KMH: f64 = 1.0 / 3.6;
        let mut random = random(seed, device, Trait::Journey, 0);
        Journey {
            start_meters: random.between(0.0, route.length_meters()),
            // With the swing these stay within 30 and 90 km/h.
            mean_speed: random.between(40.0, 72.0) * KMH,
            swing: random.between(0.05, 0.25),
            radians_per_second: TAU / random.between(120.0, 600.0),
            phase: random.between(0.0, TAU),
        }
    }

    /// The integral of `mean_speed * (1 + swing * cos(...))` from the start to `seconds`.
    fn driven_meters(&self, seconds: f64) -> f64 {
        let wave = (self.radians_per_second * seconds + self.phase).sin() - self.phase.sin();
        self.mean_speed * (seconds + self.swing / self.radians_per_second * wave)
    }
}

/// Sun, stops and the heating move the air by some degrees, in waves of minutes on waves of hours.
fn cabin_celsius(ambient: f64, seed: u64, device: u32, seconds: f64) -> f64 {
    let mut random = random(seed, device, Trait::Climate, 0);
    let offset = random.between(-3.0, 5.0);
    let mut wave = |celsius: f64, shortest_minutes: f64, longest_minutes: f64| {
        let radians_per_second = TAU / (60.0 * random.between(shortest_minutes, longest_minutes));
        celsius * (radians_per_second * seconds + random.between(0.0, TAU)).sin()
    };
    ambient + offset + wave(1.5, 7.0, 20.0) + wave(4.0, 60.0, 180.0) + wave(3.0, 24.0 * 60.0, 24.0 * 60.0 + 1.0)
}

#[cfg(test)]
mod tests {
    use crate::fleet::route::{Place, meters};
    use crate::fleet::{Fleet, Profile};

    use super::*;

    #[test]
    fn vehicles_drive_between_30_and_90_kilometers_an_hour() {
        let fleet = Fleet::new(Profile::Commute, 200, 7);
        let place = |device, second| {
            let reading = fleet.reading(device, second, Duration::from_secs(second));
            Place { lat: reading.lat, lon: reading.lon }
        };
        for device in 0..200 {
            for second in (0..7_200).step_by(77) {
                let kmh = 3.6 * meters(place(device, second), place(device, second + 1));
                // Where a corner is turned within the second, the straight distance is shorter than what was driven.
                assert!(kmh < 91.0, "device {device} at {second} s: {kmh} km/h");
                let (before, after) = (place(device, second), place(device, second + 10));
                let mean = 0.36 * meters(before, after);
                assert!((3.0..91.0).contains(&mean), "device {device} at {second} s: {mean} km/h");
            }
            let typical = 3.6 * meters(place(device, 0), place(device, 1));
            assert!(typical > 3.0);
        }
        // Nearly no moment is at a corner, so nearly all are at least 30 km/h.
        let slow = (0..200).filter(|&device| 3.6 * meters(place(device, 500), place(device, 501)) < 29.5).count();
        assert!(slow <= 2, "{slow} of 200 are slower than 30 km/h");
    }

    #[test]
    fn the_cabin_changes_by_more_than_the_usual_threshold_within_an_hour() {
        let fleet = Fleet::new(Profile::Commute, 100, 7);
        for device in 0..100 {
            let temperatures: Vec<f64> =
                (0..3_600).map(|second| fleet.reading(device, second, Duration::from_secs(second)).temperature).collect();
            let low = temperatures.iter().copied().fold(f64::MAX, f64::min);
            let high = temperatures.iter().copied().fold(f64::MIN, f64::max);
            assert!(high - low > 2.0, "device {device}: {low} to {high}");
            assert!(temperatures.windows(2).all(|two| (two[1] - two[0]).abs() <= 0.2), "device {device} jumps");
        }
    }
}
