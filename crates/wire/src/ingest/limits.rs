//! What is believed, and how much of it one request may bring.

use fieldwatch_domain::Celsius;
use std::time::Duration;

/// The bounds that hold for what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The lowest temperature that is believed; held against the number as written, before it is rounded.
    pub temperature_min: Celsius,
    /// The highest temperature that is believed.
    pub temperature_max: Celsius,
    /// How many readings one request may have. As many bad fields are told in full.
    pub max_readings: usize,
    /// How many arrays and objects may lie in each other; at most 63.
    pub max_nesting: u8,
    /// How far a device's clock may be ahead of the clock here.
    pub max_ahead: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            temperature_min: Celsius::from_stored(-100 * Celsius::STEPS_PER_DEGREE),
            temperature_max: Celsius::from_stored(100 * Celsius::STEPS_PER_DEGREE),
            max_readings: 50_000,
            max_nesting: 16,
            max_ahead: Duration::from_mins(5),
        }
    }
}
