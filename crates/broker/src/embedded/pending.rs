//! What publishers have handed over and the writer has not yet taken: bounded, and already cut into commits.

use super::patience::Gather;
use crate::PublishError;
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::SetOnce;

/// The largest payload of one commit. A request of 50 000 readings with the longest ids stays below half of it.
pub(super) const MAX_COMMIT_BYTES: usize = 32 << 20;
/// Bytes that may wait beside the commit under way; beyond it [`PublishError::Busy`]. Some requests of the largest kind, or all
/// that a slow disk lets wait of small ones.
const MAX_WAITING_BYTES: usize = MAX_COMMIT_BYTES;
/// Publishers that may wait beside those of the commit under way: more than there are connections.
const MAX_WAITING_PUBLISHERS: usize = 65_536;
/// Entries shorter than this are copied behind one another, longer ones handed over as they are: copying a few bytes costs
/// less than a part of its own does when it is checked and written.
const COPIED_BELOW_BYTES: usize = 16 << 10;

/// What became of a commit; all its publishers wait for it.
pub(super) type Outcome = SetOnce<Result<(), PublishError>>;

/// Entries that become durable with one commit.
pub(super) struct Group {
    /// Entries, to be written one after the other.
    pub(super) parts: Vec<Vec<u8>>,
    /// When its first publisher came.
    pub(super) begun: Instant,
    /// For its publishers.
    pub(super) outcome: Arc<Outcome>,
    /// How many they are.
    pub(super) publishers: usize,
    bytes: usize,
}

/// Things to do for the writer, beside commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chores {
    /// Segments may have been passed by all consumers: remove them.
    pub(super) remove: bool,
    /// Something was refused for want of room: give up the newest segment too, if all of it is consumed.
    pub(super) make_room: bool,
    /// The newest segment may have become old.
    pub(super) tidy: bool,
}

/// What the writer is to do next.
pub(super) struct Work {
    /// To be committed.
    pub(super) group: Option<Group>,
    /// To be done after that.
    pub(super) chores: Chores,
}

/// The place where publishers and the writer meet.
#[derive(Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    groups: VecDeque<Group>,
    /// Of all groups.
    bytes: usize,
    publishers: usize,
    chores: Chores,
    /// Why nothing is taken any more.
    refused: Option<String>,
    /// The writer ends once it has committed what waits.
    closing: bool,
    /// The writer sleeps until so many publishers wait. `None`: it is at work, and need not be woken.
    sleeps_until: Option<usize>,
}

impl Pending {
    /// Gives entries to the writer, all for one commit. What is returned tells what became of them.
    pub(super) fn hand_over(&self, entries: Vec<u8>) -> Result<Arc<Outcome>, PublishError> {
        // Asked outside the lock, which everybody wants.
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(reason) = &state.refused {
            return Err(PublishError::Stopped(reason.clone()));
        }
        // One byte of each commit is its format.
        if entries.len() >= MAX_COMMIT_BYTES {
            return Err(PublishError::Full(format!("{} bytes at once are more than one commit holds", entries.len())));
        }
        let waiting_bytes = state.bytes + entries.len();
        if state.publishers >= MAX_WAITING_PUBLISHERS || (state.bytes > 0 && waiting_bytes > MAX_WAITING_BYTES) {
            return Err(PublishError::Busy);
        }
        state.bytes = waiting_bytes;
        state.publishers += 1;
        if state.groups.back().is_none_or(|group| group.bytes + entries.len() >= MAX_COMMIT_BYTES) {
            state.groups.push_back(Group::new(now));
        }
        let group = state.groups.back_mut().expect("one was added if there was none");
        let outcome = Arc::clone(&group.outcome);
        group.add(entries);
        let enough = state.sleeps_until.is_some_and(|enough| state.publishers >= enough || state.groups.len() > 1);
        self.wake_writer(state, enough);
        Ok(outcome)
    }

    /// Adds to what the writer is to do.
    pub(super) fn ask(&self, chores: Chores) {
        let mut state = self.lock();
        state.chores.remove |= chores.remove;
        state.chores.make_room |= chores.make_room;
        state.chores.tidy |= chores.tidy;
        let sleeps = state.sleeps_until.is_some();
        self.wake_writer(state, sleeps);
    }

    /// Waits for work. `None`: the queue is closed, and all that was handed over has been taken.
    pub(super) fn take(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            let group = state.groups.pop_front();
            let chores = mem::take(&mut state.chores);
            if let Some(group) = &group {
                state.bytes -= group.bytes;
                state.publishers -= group.publishers;
            }
            if group.is_some() || chores != Chores::default() {
                return Some(Work { group, chores });
            }
            if state.closing {
                return None;
            }
            state.sleeps_until = Some(1);
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeps_until = None;
        }
    }

    /// Lets publishers gather. Whether enough of them came.
    pub(super) fn gather(&self, gather: Gather) -> bool {
        let mut state = self.lock();
        let enough = gather.enough(state.publishers);
        let deadline = Instant::now() + gather.at_most;
        // A second group says that the first is as large as a commit can be.
        while state.publishers < enough && state.groups.len() < 2 && !state.closing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state.sleeps_until = Some(enough);
            state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.sleeps_until = None;
        }
        true
    }

    /// Refuses everything from now on, what waits for a commit too.
    pub(super) fn stop(&self, reason: &str) {
        let mut state = self.lock();
        state.refused.get_or_insert_with(|| reason.to_owned());
        let groups = mem::take(&mut state.groups);
        (state.bytes, state.publishers) = (0, 0);
        drop(state);
        for group in groups {
            group.tell(Err(PublishError::Stopped(reason.to_owned())));
        }
    }

    /// Takes nothing more; the writer commits what waits, and ends.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.refused.get_or_insert_with(|| "it is being closed".to_owned());
        state.closing = true;
        let sleeps = state.sleeps_until.is_some();
        self.wake_writer(state, sleeps);
    }

    /// Why nothing is taken any more.
    pub(super) fn refused(&self) -> Option<String> {
        self.lock().refused.clone()
    }

    /// Not woken for each publisher: that is a system call.
    fn wake_writer(&self, state: MutexGuard<'_, State>, wake: bool) {
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    fn new(begun: Instant) -> Self {
        Self { parts: Vec::new(), begun, outcome: Arc::new(Outcome::new()), bytes: 0, publishers: 0 }
    }

    fn add(&mut self, entries: Vec<u8>) {
        self.bytes += entries.len();
        self.publishers += 1;
        match self.parts.last_mut() {
            Some(last) if entries.len() < COPIED_BELOW_BYTES && last.len() < COPIED_BELOW_BYTES => {
                last.extend_from_slice(&entries);
            }
            _ => self.parts.push(entries),
        }
    }

    /// Says what became of it, once; what is said later counts nothing.
    pub(super) fn tell(&self, outcome: Result<(), PublishError>) {
        // Only an outcome that was told before refuses another.
        let _ = self.outcome.set(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_entries_share_a_part_and_large_ones_keep_theirs_in_order() {
        let pending = Pending::default();
        for entries in [vec![1; 3], vec![2; COPIED_BELOW_BYTES], vec![3; 2], vec![4; 2]] {
            pending.hand_over(entries).expect("there is room");
        }
        let group = pending.take().and_then(|work| work.group).expect("a group waits");
        let parts: Vec<_> = group.parts.iter().map(|part| (part[0], part.len())).collect();
        assert_eq!(parts, [(1, 3), (2, COPIED_BELOW_BYTES), (3, 4)]);
    }

    #[test]
    fn what_exceeds_one_commit_waits_for_the_next_and_beyond_the_bound_it_is_busy() {
        let pending = Pending::default();
        pending.hand_over(vec![0; MAX_COMMIT_BYTES - 10]).expect("there is room");
        assert_eq!(pending.hand_over(vec![0; 20]).err(), Some(PublishError::Busy));
        pending.hand_over(vec![0; 10]).expect("there is room for ten");
        assert_eq!(pending.take().and_then(|work| work.group).map(|group| group.bytes), Some(MAX_COMMIT_BYTES - 10));
        pending.hand_over(vec![0; MAX_WAITING_BYTES - 10]).expect("there is room again");
        assert_eq!(pending.take().and_then(|work| work.group).map(|group| group.publishers), Some(1));
        assert!(matches!(pending.hand_over(vec![0; MAX_COMMIT_BYTES]), Err(PublishError::Full(_))), "never fits");
    }

    #[test]
    fn publishers_are_bounded_too() {
        let pending = Pending::default();
        for _ in 0..MAX_WAITING_PUBLISHERS {
            pending.hand_over(vec![0]).expect("there is room");
        }
        assert_eq!(pending.hand_over(vec![0]).err(), Some(PublishError::Busy));
    }

    #[test]
    fn who_waits_when_the_queue_stops_is_told() {
        let pending = Pending::default();
        let outcome = pending.hand_over(vec![0]).expect("there is room");
        pending.stop("the disk failed");
        assert_eq!(outcome.get(), Some(&Err(PublishError::Stopped("the disk failed".into()))));
        assert_eq!(pending.hand_over(vec![0]).err(), Some(PublishError::Stopped("the disk failed".into())));
    }
}
