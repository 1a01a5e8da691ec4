//! A closed route over land, and where on it a vehicle is after so many meters.

/// A place in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) lat: f64,
    pub(super) lon: f64,
}

/// A closed line through some places; after the last comes the first again.
#[derive(Debug, Clone)]
pub(super) struct Route {
    places: Vec<Place>,
    /// How far along the route each place's next one lies, in meters.
    ends: Vec<f64>,
    pub(super) ambient_celsius: f64,
}

impl Route {
    /// A route through `places`, at least two of which differ.
    pub(super) fn through(places: Vec<Place>, ambient_celsius: f64) -> Route {
        let mut end = 0.0;
        let ends = (0..places.len())
            .map(|index| {
                end += meters(places[index], places[(index + 1) % places.len()]);
                end
            })
            .collect();
        Route { places, ends, ambient_celsius }
    }

    pub(super) fn length_meters(&self) -> f64 {
        self.ends.last().copied().unwrap_or(0.0)
    }

    /// Where a vehicle is that has driven `meters` since the first place, round after round.
    pub(super) fn at(&self, meters: f64) -> Place {
        let meters = meters.rem_euclid(self.length_meters());
        let leg = self.ends.partition_point(|&end| end <= meters).min(self.places.len() - 1);
        let start = if leg == 0 { 0.0 } else { self.ends[leg - 1] };
        let part = (meters - start) / (self.ends[leg] - start);
        let (from, to) = (self.places[leg], self.places[(leg + 1) % self.places.len()]);
        Place { lat: from.lat + (to.lat - from.lat) * part, lon: from.lon + (to.lon - from.lon) * part }
    }
}

/// How far two places of one region lie apart: as on a plane, which over 200 km is off by less than 1 %.
pub(super) fn meters(from: Place, to: Place) -> f64 {
    const METERS_PER_DEGREE: f64 = 111_195.0;
    let east = (to.lon - from.lon) * from.lat.midpoint(to.lat).to_radians().cos();
    (to.lat - from.lat).hypot(east) * METERS_PER_DEGREE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vehicle_goes_round_and_comes_back() {
        let corner = |lat, lon| Place { lat, lon };
        let route = Route::through(vec![corner(0.0, 0.0), corner(0.0, 1.0), corner(1.0, 1.0)], 20.0);
        let length = route.length_meters();
        assert_eq!(route.at(0.0), corner(0.0, 0.0));
        assert!(meters(route.at(length * 5.0), route.at(0.0)) < 0.01);
        // Equal steps along the route; where a corner of 45° is cut, the straight way is as short as 1 000 m times sin 22.5°.
        for step in 0..1_000 {
            let (from, to) = (route.at(f64::from(step) * 1_000.0), route.at(f64::from(step + 1) * 1_000.0));
            let driven = meters(from, to);
            assert!((380.0..1_001.0).contains(&driven), "step {step}: {driven} m");
        }
    }
}
