//! Temperatures as exact numbers of ten-thousandths of a degree.

use thiserror::Error;

/// A temperature, or a difference of two, in steps of 0.0001 °C.
///
/// Kept as an integer so that thresholds compare exactly: 10.30 to 10.35 differ by 0.05, which in binary floating
/// point they do not. Range: −273.15 °C to 10 000 °C when made by [`Celsius::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Celsius(i32);

/// A temperature below absolute zero or above 10 000 °C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("temperature of {0} ten-thousandths of a degree is outside -273.15 to 10000 °C")]
pub struct TemperatureOutOfRange(pub i64);

impl Celsius {
    /// How many steps make one degree.
    pub const STEPS_PER_DEGREE: i32 = 10_000;
    /// Absolute zero, the lowest value that can be configured as believable.
    pub const LOWEST: Self = Self(-2_731_500);
    /// The highest value that can be configured as believable.
    pub const HIGHEST: Self = Self(100_000_000);

    /// A temperature from steps of 0.0001 °C.
    ///
    /// # Errors
    /// When it is outside [`Celsius::LOWEST`] to [`Celsius::HIGHEST`].
    pub fn new(steps: i64) -> Result<Self, TemperatureOutOfRange> {
        match i32::try_from(steps) {
            Ok(steps) if (Self::LOWEST.0..=Self::HIGHEST.0).contains(&steps) => Ok(Self(steps)),
            _ => Err(TemperatureOutOfRange(steps)),
        }
    }

    /// A temperature that was checked before it was stored.
    pub const fn from_stored(steps: i32) -> Self {
        Self(steps)
    }

    /// Steps of 0.0001 °C.
    pub const fn steps(self) -> i32 {
        self.0
    }

    /// The distance of two temperatures in steps of 0.0001 °C; cannot overflow.
    pub fn difference(self, other: Self) -> u32 {
        self.0.abs_diff(other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_zero_is_a_temperature_and_anything_below_is_not() {
        assert_eq!(Celsius::new(-2_731_500), Ok(Celsius::LOWEST));
        assert_eq!(Celsius::new(-2_731_501), Err(TemperatureOutOfRange(-2_731_501)));
        assert!(Celsius::new(i64::MAX).is_err());
    }

    #[test]
    fn the_difference_of_the_extremes_does_not_overflow() {
        assert_eq!(Celsius::LOWEST.difference(Celsius::HIGHEST), 102_731_500);
    }
}
