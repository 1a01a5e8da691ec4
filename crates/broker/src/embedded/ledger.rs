//! Who consumes which partition, how far, and how much is left: the books of the queue, in memory only.

use super::{PARTITIONS, commit_times::CommitTimes, frame::Counts};
use std::{
    array,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Names a consumer, as long as the queue is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConsumerId(u64);

/// The address from which each partition goes on.
pub(super) type Starts = [u64; PARTITIONS];

/// The books.
pub(super) struct Ledger {
    /// Entries not yet stored as decided. Below zero for a moment when a consumer is quicker than the writer's books.
    depths: [AtomicI64; PARTITIONS],
    books: Mutex<Books>,
    /// Held while a claim is counted, so that two claims do not count the same partitions.
    pub(super) claiming: Mutex<()>,
}

struct Books {
    /// Up to here frames are in the books; what is committed later is added when it is.
    end: u64,
    partitions: [Partition; PARTITIONS],
    consumers: Vec<Consumer>,
    next_consumer: u64,
    times: CommitTimes,
}

#[derive(Clone, Copy, Default)]
struct Partition {
    owner: Option<ConsumerId>,
    /// How far its last owner had passed everything.
    passed: Option<u64>,
    /// Its depth is right for an owner that goes on from here.
    counted_from: Option<u64>,
}

struct Consumer {
    id: ConsumerId,
    /// Everything of its partitions before this is stored as decided.
    passed: u64,
}

/// Partitions that have an owner now, and what of them has to be counted.
pub(super) struct Claim {
    pub(super) id: ConsumerId,
    pub(super) uncounted: [bool; PARTITIONS],
    /// Count up to here.
    pub(super) end: u64,
}

impl Ledger {
    /// Of a queue whose log ends at `end`.
    pub(super) fn new(end: u64) -> Self {
        let books = Books {
            end,
            partitions: [Partition::default(); PARTITIONS],
            consumers: Vec::new(),
            next_consumer: 0,
            times: CommitTimes::default(),
        };
        Self { depths: array::from_fn(|_| AtomicI64::new(0)), books: Mutex::new(books), claiming: Mutex::new(()) }
    }

    /// Takes a frame that was just committed into the books.
    pub(super) fn committed(&self, counts: &Counts, start: u64, end: u64) {
        let mut books = self.books();
        // Under the lock: a claim must find either this frame's end in the books or these counts still to come.
        self.add(counts);
        books.end = end;
        let passed = books.passed_by_consumers();
        books.times.forget_before(passed);
        books.times.note(start, Instant::now());
    }

    /// Gives free partitions an owner. `Err` is one that has an owner already.
    pub(super) fn claim(&self, partitions: &[u16], starts: &Starts) -> Result<Claim, u16> {
        let mut books = self.books();
        if let Some(&taken) = partitions.iter().find(|&&partition| books.partitions[usize::from(partition)].owner.is_some()) {
            return Err(taken);
        }
        let id = ConsumerId(books.next_consumer);
        books.next_consumer += 1;
        let passed = partitions.iter().map(|&partition| starts[usize::from(partition)]).min().unwrap_or(books.end);
        books.consumers.push(Consumer { id, passed });
        let mut uncounted = [false; PARTITIONS];
        for &partition in partitions {
            let at = usize::from(partition);
            books.partitions[at].owner = Some(id);
            uncounted[at] = books.partitions[at].counted_from.take() != Some(starts[at]);
        }
        if uncounted.contains(&true) {
            // The log has to be read anyway: the consumers that come next need not read it once more.
            for (at, partition) in books.partitions.iter_mut().enumerate().filter(|(_, partition)| partition.owner.is_none()) {
                uncounted[at] = partition.counted_from != Some(starts[at]);
                partition.counted_from = Some(starts[at]);
            }
        }
        for (at, _) in uncounted.iter().enumerate().filter(|(_, uncounted)| **uncounted) {
            self.depths[at].store(0, Relaxed);
        }
        Ok(Claim { id, uncounted, end: books.end })
    }

    /// Takes what was counted for a claim into the books.
    pub(super) fn counted(&self, counts: &Counts, times: &CommitTimes) {
        let mut books = self.books();
        self.add(counts);
        books.times.note_earlier(times);
    }

    /// Entries are stored as decided.
    pub(super) fn stored(&self, counts: &[(u16, u32)]) {
        for (partition, count) in counts {
            if let Some(depth) = self.depths.get(usize::from(*partition)) {
                depth.fetch_sub(i64::from(*count), Relaxed);
            }
        }
    }

    /// A consumer has passed everything up to `address`. Gives [`Self::passed`].
    pub(super) fn pass(&self, id: ConsumerId, address: u64) -> Option<u64> {
        let mut books = self.books();
        if let Some(consumer) = books.consumers.iter_mut().find(|consumer| consumer.id == id) {
            consumer.passed = consumer.passed.max(address);
        }
        books.passed()
    }

    /// A consumer is gone. What it has not stored waits for the next owner.
    pub(super) fn release(&self, id: ConsumerId) {
        let mut books = self.books();
        let Some(at) = books.consumers.iter().position(|consumer| consumer.id == id) else { return };
        let passed = books.consumers.swap_remove(at).passed;
        for partition in books.partitions.iter_mut().filter(|partition| partition.owner == Some(id)) {
            *partition = Partition { owner: None, passed: Some(passed), counted_from: None };
        }
    }

    /// The depths of partitions that have no owner are not right any more: counting failed.
    pub(super) fn miscounted(&self) {
        self.books().partitions.iter_mut().for_each(|partition| partition.counted_from = None);
    }

    /// Address up to which nobody needs the log any more. `None` while a partition has no owner.
    pub(super) fn passed(&self) -> Option<u64> {
        self.books().passed()
    }

    /// Whether nobody needs anything that is in the log now.
    pub(super) fn all_is_passed(&self) -> bool {
        let books = self.books();
        books.passed().is_some_and(|passed| passed >= books.end)
    }

    /// Entries of each partition that are not stored as decided.
    pub(super) fn depths(&self) -> Vec<u64> {
        self.depths.iter().map(|depth| depth.load(Relaxed).max(0) as u64).collect()
    }

    /// How old the oldest frame is that holds such entries, as far as is known.
    pub(super) fn lag(&self) -> Duration {
        if self.depths.iter().all(|depth| depth.load(Relaxed) <= 0) {
            return Duration::ZERO;
        }
        let books = self.books();
        books.times.at(books.passed_by_consumers()).map_or(Duration::ZERO, |committed| committed.elapsed())
    }

    fn add(&self, counts: &Counts) {
        for (depth, count) in self.depths.iter().zip(counts).filter(|(_, count)| **count > 0) {
            depth.fetch_add(i64::from(*count), Relaxed);
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn passed(&self) -> Option<u64> {
        let owned = self.partitions.iter().all(|partition| partition.owner.is_some());
        owned.then(|| self.passed_by_consumers())
    }

    /// How far all consumers are, there now or before. A partition that never had one counts nothing: nobody knows yet what
    /// of it is decided.
    fn passed_by_consumers(&self) -> u64 {
        let consumers = self.consumers.iter().map(|consumer| consumer.passed);
        let left = self.partitions.iter().filter(|partition| partition.owner.is_none()).filter_map(|partition| partition.passed);
        consumers.chain(left).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [u16; PARTITIONS] = {
        let mut all = [0; PARTITIONS];
        let mut at = 0;
        while at < PARTITIONS {
            all[at] = at as u16;
            at += 1;
        }
        all
    };

    #[test]
    fn nothing_is_passed_while_a_partition_has_no_owner() {
        let ledger = Ledger::new(100);
        let most = ledger.claim(&ALL[1..], &[50; PARTITIONS]).expect("free");
        assert_eq!(ledger.passed(), None);
        let one = ledger.claim(&ALL[..1], &[60; PARTITIONS]).expect("free");
        assert_eq!(ledger.passed(), Some(50));
        assert_eq!(ledger.pass(most.id, 100), Some(60));
        assert!(!ledger.all_is_passed());
        assert_eq!(ledger.pass(one.id, 100), Some(100));
        assert!(ledger.all_is_passed());
        ledger.release(one.id);
        assert_eq!(ledger.passed(), None);
    }

    #[test]
    fn a_partition_has_one_owner_and_is_free_again_when_that_is_gone() {
        let ledger = Ledger::new(0);
        let claim = ledger.claim(&[1, 2], &[0; PARTITIONS]).expect("free");
        assert_eq!(ledger.claim(&[3, 2], &[0; PARTITIONS]).err(), Some(2));
        ledger.release(claim.id);
        assert!(ledger.claim(&[3, 2], &[0; PARTITIONS]).is_ok());
    }

    #[test]
    fn the_log_is_counted_once_for_consumers_that_go_on_from_the_same_checkpoints() {
        let ledger = Ledger::new(100);
        let first = ledger.claim(&[0], &[10; PARTITIONS]).expect("free");
        assert!(first.uncounted.iter().all(|uncounted| *uncounted));
        let second = ledger.claim(&[1, 2], &[10; PARTITIONS]).expect("free");
        assert!(!second.uncounted.contains(&true));
        let mut others = [10; PARTITIONS];
        others[4] = 20;
        let third = ledger.claim(&[3, 4], &others).expect("free");
        let uncounted: Vec<_> = (0..PARTITIONS).filter(|at| third.uncounted[*at]).collect();
        assert_eq!(uncounted, [4], "another checkpoint than before has to be counted");
        ledger.release(second.id);
        let again = ledger.claim(&[1], &[10; PARTITIONS]).expect("free");
        assert!(again.uncounted[1], "its owner may have stored something meanwhile");
    }
}
