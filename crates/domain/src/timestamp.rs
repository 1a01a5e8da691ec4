//! Moments, in milliseconds.

use std::time::Duration;

/// A moment in milliseconds since the Unix epoch, UTC, without leap seconds.
///
/// A device's own times are never before 1970; the type itself holds any `i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first moment a device may claim: 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// Earlier than every reading.
    pub const MIN: Self = Self(i64::MIN);

    /// A moment from Unix milliseconds.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// The moment `later` after this one, at most the last that can be told.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }
}
