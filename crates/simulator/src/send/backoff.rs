//! How long to wait before a request is sent again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::random::Random;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Waits that double up to five seconds, each shortened by up to a half at random, so that many clients of a server
/// that came back do not all come at once.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
    jitter: Random,
}

impl Backoff {
    pub(super) fn new() -> Backoff {
        // The standard library's hash keys are the one source of chance that needs no other crate.
        Backoff { ceiling: FIRST, jitter: Random::seeded(RandomState::new().hash_one(0)) }
    }

    /// The next wait. What the server asks for is waited at least.
    pub(super) fn next(&mut self, asked_by_server: Option<Duration>) -> Duration {
        let wait = self.ceiling.mul_f64(self.jitter.between(0.5, 1.0));
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        match asked_by_server {
            Some(asked) => asked + wait.min(FIRST),
            None => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds_and_differ() {
        let mut backoff = Backoff::new();
        let mut ceiling = FIRST;
        for _ in 0..20 {
            let wait = backoff.next(None);
            assert!(wait >= ceiling / 2 && wait <= ceiling, "{wait:?} is not within {ceiling:?}");
            ceiling = (ceiling * 2).min(Duration::from_secs(5));
        }
        assert_ne!(Backoff::new().next(None), Backoff::new().next(None));
    }

    #[test]
    fn what_the_server_asks_for_is_waited_at_least() {
        let mut backoff = Backoff::new();
        let asked = Duration::from_secs(7);
        let wait = backoff.next(Some(asked));
        assert!(wait >= asked && wait <= asked + FIRST, "{wait:?}");
    }
}
