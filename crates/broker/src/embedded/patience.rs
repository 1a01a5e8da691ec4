//! For how long the writer lets those gather whom it has just answered, before it commits again.
//!
//! Publishers that send again as soon as they are answered come back a moment after a commit. A writer that takes the first
//! of them at once commits one or two, then all others, then one or two again: twice the syncs, and everybody waits for two.
//! So it waits for most of them, for a part of what a commit takes; and when they do not come, because devices send when they
//! like, it soon gives that up and only tries again now and then.

use std::time::Duration;

/// Never longer than this, however slow the disk is.
const LONGEST: Duration = Duration::from_millis(2);
/// Commits without waiting after waiting was in vain again and again: what it costs then is lost in the noise.
const MOST_SKIPPED: u32 = 63;

/// What the writer waits for before its next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gather {
    /// Publishers that were just answered.
    pub(super) answered: usize,
    /// How long at most.
    pub(super) at_most: Duration,
}

impl Gather {
    /// With how many publishers it is enough, when so many have been waiting since before.
    pub(super) fn enough(&self, waiting: usize) -> usize {
        let all = self.answered + waiting;
        all - all / 8
    }
}

/// What was learned about waiting.
#[derive(Debug, Default)]
pub(super) struct Patience {
    skip: u32,
    backoff: u32,
}

impl Patience {
    /// Whether to wait after a commit that took so long.
    pub(super) fn after(&mut self, answered: usize, took: Duration) -> Option<Gather> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        Some(Gather { answered, at_most: (took / 2).min(LONGEST) })
    }

    /// Whether waiting was worth it.
    pub(super) fn learn(&mut self, enough_came: bool) {
        self.backoff = if enough_came { 0 } else { (self.backoff * 2 + 1).min(MOST_SKIPPED) };
        self.skip = self.backoff;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_goes_on_while_it_is_worth_it_and_becomes_rare_when_not() {
        let mut patience = Patience::default();
        let waits = |patience: &mut Patience, enough_came| {
            let gather = patience.after(8, Duration::from_millis(1));
            gather.inspect(|_| patience.learn(enough_came)).is_some()
        };
        assert!((0..100).all(|_| waits(&mut patience, true)));
        let in_vain = (0..10_000).filter(|_| waits(&mut patience, false)).count();
        assert!(in_vain < 170, "{in_vain} of 10 000");
        assert!((0..64).any(|_| waits(&mut patience, true)), "it is tried again");
        assert!((0..100).all(|_| waits(&mut patience, true)));
    }

    #[test]
    fn most_are_enough_and_one_waits_for_nobody() {
        let gather = Patience::default().after(200, Duration::from_millis(1)).expect("at first it waits");
        assert_eq!((gather.enough(56), gather.at_most), (224, Duration::from_micros(500)));
        let alone = Patience::default().after(1, Duration::from_secs(1)).expect("at first it waits");
        assert_eq!((alone.enough(0), alone.at_most), (1, LONGEST));
    }
}
