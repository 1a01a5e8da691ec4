//! The settings by which readings are judged.

use crate::Celsius;

/// What counts as a change worth telling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// A temperature at most this far from the last notified one is similar, in steps of 0.0001 °C.
    pub similar_within: Celsius,
    /// A location nearer than this to the last notified one is very close, in kilometres.
    pub moved_at_least_km: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { similar_within: Celsius::from_stored(2 * Celsius::STEPS_PER_DEGREE), moved_at_least_km: 1.0 }
    }
}
