//! Moments on the monotonic clock, small enough to keep one for each device.

use std::time::Duration;
use tokio::time::Instant;

/// One step of the coarse clock in milliseconds: fine enough for a silence of half a second, and coarse enough that 32 bits
/// last for 6.8 years of one process.
const STEP_MS: u64 = 50;

/// Counts steps of 50 ms since the devices were started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    start: Instant,
}

impl Ticks {
    /// A clock that stands at 0 now.
    pub(crate) fn starting_now() -> Self {
        Self { start: Instant::now() }
    }

    /// The step that has begun last. At the end of its range it stands still.
    pub(crate) fn now(self) -> u32 {
        steps(self.start.elapsed().as_millis() / u128::from(STEP_MS))
    }

    /// When a step begins.
    pub(crate) fn instant(self, tick: u32) -> Instant {
        self.start + Duration::from_millis(u64::from(tick) * STEP_MS)
    }
}

/// So many steps that what was noted in one step is certainly so old when they have passed: never too early, at most two
/// steps too late.
pub(crate) fn at_least(duration: Duration) -> u32 {
    steps(duration.as_millis().div_ceil(u128::from(STEP_MS))).saturating_add(1)
}

/// The step so many milliseconds before the step `now`, or one step later; the first one when that is before the start.
pub(crate) fn before(now: u32, ms: u64) -> u32 {
    now.saturating_sub(steps(u128::from(ms / STEP_MS)))
}

fn steps(count: u128) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_never_shorter_than_asked_wherever_in_a_step_it_begins() {
        assert_eq!(at_least(Duration::from_millis(1)), 2);
        assert_eq!(at_least(Duration::from_millis(50)), 2);
        assert_eq!(at_least(Duration::from_millis(51)), 3);
        assert_eq!(at_least(Duration::from_hours(24 * 365 * 100)), u32::MAX);
    }

    #[test]
    fn what_was_long_ago_is_never_counted_as_longer_ago_nor_as_before_the_start() {
        assert_eq!(before(10, 0), 10);
        assert_eq!(before(10, 49), 10);
        assert_eq!(before(10, 50), 9);
        assert_eq!(before(10, u64::MAX), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_begins_when_the_clock_says_it_does() {
        let ticks = Ticks::starting_now();
        tokio::time::advance(Duration::from_millis(149)).await;
        assert_eq!(ticks.now(), 2);
        tokio::time::sleep_until(ticks.instant(3)).await;
        assert_eq!(ticks.now(), 3);
    }
}
