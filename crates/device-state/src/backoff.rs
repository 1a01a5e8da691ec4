//! How long to wait before something is tried again.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// The wait before the first repeat.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest wait: a store that is back should not wait much longer for us.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits that double from 100 ms to 2 s, each cut at random by up to half, so that shards do not knock together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    random: RandomState,
    count: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST, random: RandomState::new(), count: 0 }
    }
}

impl Backoff {
    /// The next wait.
    pub(crate) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        self.count += 1;
        let mut hasher = self.random.build_hasher();
        hasher.write_u64(self.count);
        let part = (hasher.finish() % 1_000) as u32;
        whole.saturating_sub(whole / 2_000 * part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_two_seconds_and_are_cut_by_at_most_half() {
        let mut backoff = Backoff::default();
        for whole in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
            let wait = backoff.next();
            assert!(wait <= Duration::from_millis(whole) && wait >= Duration::from_millis(whole / 2), "{wait:?} of {whole}");
        }
    }
}
