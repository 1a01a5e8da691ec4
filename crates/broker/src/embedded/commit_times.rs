//! When what lies in the log was committed, for telling how old the oldest of it is.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Marks that are kept. Of a longer backlog every second one is dropped, so that its age is told to one part in 2 048.
const MAX_MARKS: usize = 4096;
/// Commits closer than this share a mark at first: finer than anybody looks.
const APART: Duration = Duration::from_millis(1);

/// A frame at `address` was committed at this moment, and those up to the next mark not earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    address: u64,
    at: Instant,
}

/// A few moments of commits, oldest first. What is told from them may be older than it was by as much as marks are apart,
/// never younger.
#[derive(Clone, Debug)]
pub(super) struct CommitTimes {
    marks: VecDeque<Mark>,
    /// Commits closer than this share a mark now.
    apart: Duration,
}

impl Default for CommitTimes {
    fn default() -> Self {
        Self { marks: VecDeque::new(), apart: APART }
    }
}

impl CommitTimes {
    /// Notes a frame; call it in the order of addresses.
    pub(super) fn note(&mut self, address: u64, at: Instant) {
        if self.marks.back().is_some_and(|last| at.saturating_duration_since(last.at) < self.apart) {
            return;
        }
        if self.marks.len() == MAX_MARKS {
            let mut kept = false;
            self.marks.retain(|_| {
                kept = !kept;
                kept
            });
            self.apart *= 2;
        }
        self.marks.push_back(Mark { address, at });
    }

    /// Adds what was found before the first mark here.
    pub(super) fn note_earlier(&mut self, earlier: &Self) {
        let first = self.marks.front().map_or(u64::MAX, |mark| mark.address);
        for mark in earlier.marks.iter().rev().filter(|mark| mark.address < first) {
            self.marks.push_front(*mark);
        }
    }

    /// Forgets what is needed for addresses before `passed` only.
    pub(super) fn forget_before(&mut self, passed: u64) {
        while self.marks.get(1).is_some_and(|next| next.address <= passed) {
            self.marks.pop_front();
        }
        if self.marks.len() == 1 {
            self.apart = APART;
        }
    }

    /// About when the first frame at or after `address` was committed.
    pub(super) fn at(&self, address: u64) -> Option<Instant> {
        let after = self.marks.partition_point(|mark| mark.address <= address);
        self.marks.get(after.saturating_sub(1)).map(|mark| mark.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_told_is_never_younger_than_it_was() {
        let begin = Instant::now();
        let mut times = CommitTimes::default();
        let committed = |ordinal: u64| begin + Duration::from_micros(300 * ordinal);
        for ordinal in 0..100_000 {
            times.note(ordinal * 10, committed(ordinal));
        }
        assert!(times.marks.len() <= MAX_MARKS);
        for ordinal in (0..100_000).step_by(777) {
            let told = times.at(ordinal * 10).expect("there are marks");
            assert!(told <= committed(ordinal));
            assert!(committed(ordinal) - told < Duration::from_millis(30), "near enough for 30 s of backlog");
        }
        times.forget_before(500_005);
        assert!(times.marks[0].address <= 500_005 && times.marks[1].address > 500_005);
    }

    #[test]
    fn what_is_found_later_of_earlier_goes_before() {
        let begin = Instant::now();
        let (mut times, mut earlier) = (CommitTimes::default(), CommitTimes::default());
        let second = |ordinal| begin + Duration::from_secs(ordinal);
        times.note(50, second(5));
        (1..8).for_each(|ordinal| earlier.note(ordinal * 10, second(ordinal)));
        times.note_earlier(&earlier);
        assert_eq!(times.at(10), Some(second(1)));
        assert_eq!(times.at(45), Some(second(4)));
        assert_eq!(times.at(99), Some(second(5)));
        assert_eq!(CommitTimes::default().at(0), None);
    }
}
