//! Which messages of a partition are done: what the store keeps as the partition's checkpoint.
//!
//! A sender numbers its messages of a partition 1, 2, 3 …, and sends one again under its number when it does not know whether
//! the broker has it. For each sender this holds the highest number done, and which below it are not: numbers that were given
//! up by their sender, or that come later than a higher one.
//!
//! Stored as: the format, a byte of 1; then for each sender, the one heard longest ago first: its id (8 bytes, little
//! endian), the highest number, how many holes there are, and each hole as the distance to the one before, from the highest
//! downwards; numbers in LEB128.

use std::collections::BTreeSet;

const FORMAT: u8 = 1;
/// Of so many senders it is known; a sender is one life of a process.
const MOST_SENDERS: usize = 64;
/// So many holes of a sender are kept open, the highest ones.
const MOST_HOLES: usize = 1_000;
/// A hole so far below what a sender says it will never send again is closed. The broker keeps order, so that even a
/// distance of the messages delivered ahead does not occur.
const REACH: u64 = 4_096;

/// Which messages of a partition are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The one heard longest ago first.
    senders: Vec<Sender>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sender {
    id: u64,
    highest: u64,
    holes: BTreeSet<u64>,
}

impl Progress {
    /// Notes that a message is done. False: it was already.
    ///
    /// `settled`: what its sender will never send again: all up to this number.
    pub(super) fn note(&mut self, id: u64, number: u64, settled: u64) -> bool {
        let mut sender = match self.senders.iter().position(|known| known.id == id) {
            Some(at) => self.senders.remove(at),
            // The numbers before the first that is seen were another's to see, before it was forgotten here or before the
            // partition was begun anew.
            None => Sender { id, highest: number - 1, holes: BTreeSet::new() },
        };
        let is_new = sender.note(number, settled);
        if self.senders.len() == MOST_SENDERS {
            self.senders.remove(0);
        }
        self.senders.push(sender);
        is_new
    }

    pub(super) fn encode(&self) -> Box<[u8]> {
        let mut bytes = vec![FORMAT];
        for sender in &self.senders {
            bytes.extend_from_slice(&sender.id.to_le_bytes());
            write_number(&mut bytes, sender.highest);
            write_number(&mut bytes, sender.holes.len() as u64);
            let mut before = sender.highest;
            for hole in sender.holes.iter().rev() {
                write_number(&mut bytes, before - hole);
                before = *hole;
            }
        }
        bytes.into()
    }

    /// Reads what [`Self::encode`] has written; `None` for anything else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&FORMAT, mut rest) = bytes.split_first()? else { return None };
        let mut progress = Self::default();
        while !rest.is_empty() {
            let (id, behind) = rest.split_first_chunk()?;
            rest = behind;
            let highest = read_number(&mut rest)?;
            let holes = read_number(&mut rest)?;
            let mut sender = Sender { id: u64::from_le_bytes(*id), highest, holes: BTreeSet::new() };
            let mut before = highest;
            for _ in 0..holes {
                before = before.checked_sub(read_number(&mut rest)?)?;
                sender.holes.insert(before);
            }
            if sender.holes.len() as u64 != holes || sender.holes.len() > MOST_HOLES || progress.senders.len() == MOST_SENDERS {
                return None;
            }
            progress.senders.push(sender);
        }
        Some(progress)
    }
}

impl Sender {
    fn note(&mut self, number: u64, settled: u64) -> bool {
        let is_new = if number > self.highest {
            // Only the highest holes are kept, so the others need not be made first.
            let from = (self.highest + 1).max(number.saturating_sub(MOST_HOLES as u64));
            self.holes.extend(from..number);
            self.highest = number;
            true
        } else {
            self.holes.remove(&number)
        };
        while self.holes.len() > MOST_HOLES || self.holes.first().is_some_and(|hole| hole + REACH <= settled) {
            self.holes.pop_first();
        }
        is_new
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(place)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_repeat_is_known_and_a_late_one_is_not_taken_for_one() {
        let mut progress = Progress::default();
        for number in [1, 2, 5, 3] {
            assert!(progress.note(7, number, 0), "{number}");
        }
        for number in [1, 2, 3, 5] {
            assert!(!progress.note(7, number, 0), "{number}");
        }
        assert!(progress.note(8, 1, 0));
        assert!(progress.note(7, 4, 0));
        assert!(!progress.note(7, 4, 0));
    }

    #[test]
    fn a_sender_that_is_met_in_the_middle_has_no_holes_before() {
        let mut progress = Progress::default();
        assert!(progress.note(7, 1_000_000, 999_999));
        assert!(!progress.note(7, 999_999, 999_999));
        assert!(progress.encode().len() < 20);
    }

    #[test]
    fn numbers_that_were_given_up_long_ago_are_forgotten() {
        let mut progress = Progress::default();
        progress.note(7, 1, 0);
        progress.note(7, 3, 2);
        assert_eq!(progress.senders[0].holes.len(), 1);
        progress.note(7, 4, 2 + REACH);
        assert!(progress.senders[0].holes.is_empty());
        progress.note(7, 1_000_000, 0);
        assert_eq!(progress.senders[0].holes.len(), MOST_HOLES);
    }

    #[test]
    fn the_sender_heard_longest_ago_is_forgotten_first() {
        let mut progress = Progress::default();
        for id in 0..MOST_SENDERS as u64 {
            progress.note(id, 1, 0);
        }
        progress.note(0, 2, 0);
        progress.note(1_000, 1, 0);
        assert!(!progress.note(0, 2, 0));
        assert!(progress.note(1, 1, 0), "it was forgotten");
        assert_eq!(progress.senders.len(), MOST_SENDERS);
    }

    #[test]
    fn bytes_of_another_format_are_not_read() {
        assert_eq!(Progress::decode(&[]), None);
        assert_eq!(Progress::decode(&[2]), None);
        assert_eq!(Progress::decode(&[1, 0, 0]), None);
        assert_eq!(Progress::decode(&[1]), Some(Progress::default()));
    }

    proptest! {
        #[test]
        fn exactly_what_was_noted_is_a_repeat(notes in proptest::collection::vec((0u64..3, 1u64..60), 1..200)) {
            let mut progress = Progress::default();
            // Every sender begins with its first message.
            let mut seen: HashSet<(u64, u64)> = (0..3).map(|id| (id, 1)).collect();
            for id in 0..3 {
                progress.note(id, 1, 0);
            }
            for (id, number) in notes {
                prop_assert_eq!(progress.note(id, number, 0), seen.insert((id, number)));
                let stored = progress.encode();
                prop_assert_eq!(Progress::decode(&stored), Some(progress.clone()));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Progress::decode(&bytes);
            let mut with_format = vec![FORMAT];
            with_format.extend(bytes);
            let _ = Progress::decode(&with_format);
        }
    }
}
