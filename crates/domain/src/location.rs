//! Places on the Earth as exact numbers of ten-millionths of a degree.

use thiserror::Error;

/// A place in WGS 84 degrees, in steps of 0.0000001° (about a centimetre).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Location {
    latitude: i32,
    longitude: i32,
}

/// Which coordinate is not on the globe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidLocation {
    /// Latitude outside −90° to 90°.
    #[error("latitude of {0} ten-millionths of a degree is outside -90 to 90 degrees")]
    Latitude(i64),
    /// Longitude outside −180° to 180°.
    #[error("longitude of {0} ten-millionths of a degree is outside -180 to 180 degrees")]
    Longitude(i64),
}

impl Location {
    /// How many steps make one degree.
    pub const STEPS_PER_DEGREE: i32 = 10_000_000;
    /// The north pole's latitude in steps.
    pub const MAX_LATITUDE: i32 = 90 * Self::STEPS_PER_DEGREE;
    /// The date line's longitude in steps.
    pub const MAX_LONGITUDE: i32 = 180 * Self::STEPS_PER_DEGREE;

    /// A place from steps of 0.0000001°.
    ///
    /// # Errors
    /// When the latitude is outside ±90° or the longitude outside ±180°.
    pub fn new(latitude: i64, longitude: i64) -> Result<Self, InvalidLocation> {
        if latitude.unsigned_abs() > Self::MAX_LATITUDE as u64 {
            return Err(InvalidLocation::Latitude(latitude));
        }
        if longitude.unsigned_abs() > Self::MAX_LONGITUDE as u64 {
            return Err(InvalidLocation::Longitude(longitude));
        }
        Ok(Self { latitude: latitude as i32, longitude: longitude as i32 })
    }

    /// A place that was checked before it was stored.
    pub const fn from_stored(latitude: i32, longitude: i32) -> Self {
        Self { latitude, longitude }
    }

    /// Latitude in steps of 0.0000001°, north positive.
    pub const fn latitude(self) -> i32 {
        self.latitude
    }

    /// Longitude in steps of 0.0000001°, east positive.
    pub const fn longitude(self) -> i32 {
        self.longitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_poles_and_the_date_line_belong_to_the_globe() {
        assert!(Location::new(900_000_000, 1_800_000_000).is_ok());
        assert!(Location::new(-900_000_000, -1_800_000_000).is_ok());
        assert_eq!(Location::new(900_000_001, 0), Err(InvalidLocation::Latitude(900_000_001)));
        assert_eq!(Location::new(0, i64::MIN), Err(InvalidLocation::Longitude(i64::MIN)));
    }
}
