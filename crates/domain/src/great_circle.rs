//! Distances on the globe.

use crate::Location;

/// Mean radius of the Earth in kilometres: (2a + b) / 3 of the WGS 84 ellipsoid (Moritz, Geodetic Reference System
/// 1980, gives R1 = 6 371.0088 km).
pub const MEAN_EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// Great-circle distance in kilometres, from 0 to about 20 015.
///
/// Haversine form (Sinnott, "Virtues of the Haversine", 1984), which stays exact for places close together; the
/// argument of the root is held at 1, so that antipodes give half the circumference and never not-a-number. Takes the
/// Earth as a sphere, so the result is off by up to 0.6 %.
pub fn distance_km(from: Location, to: Location) -> f64 {
    let radians = |steps: i32| (f64::from(steps) / f64::from(Location::STEPS_PER_DEGREE)).to_radians();
    let (from_latitude, to_latitude) = (radians(from.latitude()), radians(to.latitude()));
    let sine_of_half = |difference: f64| (difference / 2.0).sin();
    let latitude_part = sine_of_half(to_latitude - from_latitude);
    let longitude_part = sine_of_half(radians(to.longitude()) - radians(from.longitude()));
    let haversine = latitude_part * latitude_part + from_latitude.cos() * to_latitude.cos() * longitude_part * longitude_part;
    2.0 * MEAN_EARTH_RADIUS_KM * haversine.min(1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Location {
        Location::new((latitude * 1e7).round() as i64, (longitude * 1e7).round() as i64).expect("a place on the globe")
    }

    #[test]
    fn equal_places_are_exactly_zero_apart() {
        assert_eq!(distance_km(at(38.5698, 45.6974), at(38.5698, 45.6974)).to_bits(), 0.0f64.to_bits());
    }

    #[test]
    fn antipodes_are_half_the_circumference_apart() {
        let half = std::f64::consts::PI * MEAN_EARTH_RADIUS_KM;
        for (a, b) in [(at(90.0, 0.0), at(-90.0, 0.0)), (at(0.0, 0.0), at(0.0, 180.0)), (at(45.0, 10.0), at(-45.0, -170.0))] {
            assert!((distance_km(a, b) - half).abs() < 1e-6);
        }
    }

    #[test]
    fn the_date_line_is_no_obstacle() {
        let across = distance_km(at(0.0, 179.999_999_9), at(0.0, -179.999_999_9));
        assert!(across < 0.000_1, "{across}");
    }

    #[test]
    fn a_degree_of_the_meridian_is_111_kilometres() {
        let degree = std::f64::consts::PI * MEAN_EARTH_RADIUS_KM / 180.0;
        assert!((distance_km(at(0.0, 0.0), at(1.0, 0.0)) - degree).abs() < 1e-9);
    }

    #[test]
    fn a_millimetre_move_is_a_small_number_and_not_nan() {
        let step = distance_km(at(38.569_8, 45.697_4), at(38.569_800_1, 45.697_4));
        assert!(step > 0.000_01 && step < 0.000_012, "{step}");
    }
}
