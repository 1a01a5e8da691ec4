//! Which shelves this process writes by which partition, and at which epoch: what each append has to name.

use fieldwatch_domain::SHELVES;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// How this process stands to a shelf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hold {
    /// Never taken over: written without a fence, as by a process that is alone.
    #[default]
    Free,
    /// Written for this partition.
    Held(u16),
    /// Was written for this partition, which is another's now, or may be.
    Lost(u16),
}

/// All holds of this process.
#[derive(Default)]
pub(super) struct Holds {
    inner: Mutex<Inner>,
}

struct Inner {
    shelves: [Hold; SHELVES],
    /// The epoch of each partition that is held; `None`: lost.
    epochs: BTreeMap<u16, Option<u64>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self { shelves: [Hold::Free; SHELVES], epochs: BTreeMap::new() }
    }
}

/// A partition that is not held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotHeld(pub(super) u16);

impl Holds {
    /// This process writes these shelves for the partition from now on.
    pub(super) fn take(&self, partition: u16, shelves: &[usize], epoch: u64) {
        let mut inner = self.inner.lock();
        inner.epochs.insert(partition, Some(epoch));
        for shelf in shelves {
            inner.shelves[*shelf] = Hold::Held(partition);
        }
    }

    /// The partition is not this process's any more; gives the shelves that were written for it.
    pub(super) fn lose(&self, partition: u16) -> Vec<usize> {
        let mut inner = self.inner.lock();
        if let Some(epoch) = inner.epochs.get_mut(&partition) {
            *epoch = None;
        }
        let of_it = |hold: &Hold| *hold == Hold::Held(partition) || *hold == Hold::Lost(partition);
        let shelves: Vec<usize> = (0..SHELVES).filter(|shelf| of_it(&inner.shelves[*shelf])).collect();
        for shelf in &shelves {
            inner.shelves[*shelf] = Hold::Lost(partition);
        }
        shelves
    }

    /// The partitions, and their epochs, that an append must name which touches these shelves and has checkpoints of these
    /// partitions. What was never taken over needs no naming.
    pub(super) fn fence(
        &self,
        shelves: impl Iterator<Item = usize>,
        partitions: impl Iterator<Item = u16>,
    ) -> Result<BTreeMap<u16, u64>, NotHeld> {
        let inner = self.inner.lock();
        let mut fence = BTreeMap::new();
        let of_shelves = shelves.filter_map(|shelf| match inner.shelves[shelf] {
            Hold::Free => None,
            Hold::Held(partition) | Hold::Lost(partition) => Some(partition),
        });
        for partition in of_shelves.chain(partitions) {
            match inner.epochs.get(&partition) {
                Some(Some(epoch)) => {
                    fence.insert(partition, *epoch);
                }
                Some(None) => return Err(NotHeld(partition)),
                None => {}
            }
        }
        Ok(fence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_names_what_it_touches_and_nothing_that_was_lost() {
        let holds = Holds::default();
        let fence = |shelves: &[usize], partitions: &[u16]| holds.fence(shelves.iter().copied(), partitions.iter().copied());
        assert_eq!(fence(&[1, 2], &[5]), Ok(BTreeMap::new()));
        holds.take(5, &[5, 21], 7);
        assert_eq!(fence(&[1, 21], &[]), Ok(BTreeMap::from([(5, 7)])));
        assert_eq!(fence(&[], &[5]), Ok(BTreeMap::from([(5, 7)])));
        assert_eq!(holds.lose(5), [5, 21]);
        assert_eq!(fence(&[21], &[]), Err(NotHeld(5)));
        assert_eq!(fence(&[], &[5]), Err(NotHeld(5)));
        assert_eq!(fence(&[1], &[]), Ok(BTreeMap::new()));
        holds.take(5, &[5, 21], 9);
        assert_eq!(fence(&[5], &[5]), Ok(BTreeMap::from([(5, 9)])));
    }
}
