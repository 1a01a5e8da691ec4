//! What the queue's tasks know together.

use super::{link::Link, options::RabbitOptions, setting_up::Standing, stop::Stop};
use fieldwatch_domain::Timestamp;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// So long a process does not want a partition again that it could not begin with; each time it doubles, up to the second.
const UNABLE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(5));

/// What the queue's tasks know together.
pub(crate) struct Shared {
    pub(crate) options: RabbitOptions,
    /// For what is published. The broker does not read it while it is short of room.
    pub(crate) giving: Link,
    /// For everything else, so that readings are acknowledged even then.
    pub(crate) taking: Link,
    pub(crate) standing: Standing,
    pub(crate) stop: Stop,
    /// By number.
    pub(super) partitions: Vec<Partition>,
}

/// One partition, as this process sees it.
#[derive(Default)]
pub(super) struct Partition {
    seen: Mutex<Seen>,
    /// Another process is to own it.
    pub(super) step_aside: Notify,
}

/// What is known of a partition.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Since when this process stands by for it, or owns it.
    pub(super) standing_since: Option<Instant>,
    /// Whether something of it has come to this process: then it is the owner.
    pub(super) is_ours: bool,
    /// Why the broker does not let this process stand by for it.
    pub(super) refused: Option<String>,
    /// Until when it is not wanted, for this process could not begin with it.
    unable_until: Option<Instant>,
    /// For how long the last time.
    unable_for: Option<Duration>,
    /// Messages that came and are not acknowledged, in order.
    pub(super) unacknowledged: VecDeque<Unacknowledged>,
    /// Messages that came more than once.
    pub(super) redelivered: u64,
    /// Messages that waited at the broker at the last look.
    pub(super) waiting: u64,
    /// Since when something waits.
    pub(super) waiting_since: Option<Instant>,
    /// Lines published from here since the last look began.
    pub(super) published: u64,
    /// How many lines a message has, on average of those seen.
    average: f64,
}

/// A message that is not acknowledged.
#[derive(Debug)]
pub(super) struct Unacknowledged {
    pub(super) tag: u64,
    pub(super) lines: u64,
    /// When its first reading was received.
    pub(super) received_at: Option<Timestamp>,
}

impl Shared {
    pub(super) fn partition(&self, partition: u16) -> &Partition {
        &self.partitions[usize::from(partition)]
    }

    pub(super) fn seen(&self, partition: u16) -> MutexGuard<'_, Seen> {
        self.partition(partition).seen()
    }
}

impl Partition {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Notes how many lines a message has.
    pub(super) fn weigh(&mut self, lines: u64) {
        let lines = lines as f64;
        self.average = if self.average == 0.0 { lines } else { self.average * 0.95 + lines * 0.05 };
    }

    /// Notes that everything up to a message is acknowledged.
    pub(super) fn acknowledge(&mut self, tag: u64) {
        while self.unacknowledged.front().is_some_and(|message| message.tag <= tag) {
            self.unacknowledged.pop_front();
        }
    }

    /// Notes that this process stands by no more; what it held is somebody else's.
    pub(super) fn leave(&mut self) {
        self.standing_since = None;
        self.is_ours = false;
        self.unacknowledged.clear();
    }

    /// Notes that this process could not begin with it: for a while it is left to whoever has it.
    pub(super) fn was_given_up(&mut self, now: Instant) {
        let pause = self.unable_for.map_or(UNABLE.0, |last| (last * 2).min(UNABLE.1));
        self.unable_for = Some(pause);
        self.unable_until = Some(now + pause);
    }

    /// Notes that this process has begun with it.
    pub(super) fn has_begun(&mut self) {
        (self.unable_until, self.unable_for) = (None, None);
    }

    /// Whether this process wants it. One that could not begin with it stands by all the same, in case nobody else does.
    pub(super) fn is_wanted(&self, now: Instant) -> bool {
        self.unable_until.is_none_or(|until| until <= now)
    }

    /// Readings and commands accepted and not known to be stored. The broker counts messages: how many lines those have that
    /// this process has not seen is taken from those it has. Never 0 while something waits; 0 when nothing does.
    pub(super) fn depth(&self) -> u64 {
        let waiting = (self.waiting as f64 * self.average.max(1.0)).round() as u64;
        let held: u64 = self.unacknowledged.iter().map(|message| message.lines).sum();
        waiting + held + self.published
    }

    /// For how long the oldest has been waiting: since its receipt where this process holds it; otherwise since it was first
    /// seen that something waits.
    pub(super) fn lag(&self, now: Timestamp) -> Duration {
        let received = self.unacknowledged.iter().find_map(|message| message.received_at);
        match (received, self.waiting_since) {
            (Some(at), _) => Duration::from_millis(now.unix_ms().saturating_sub(at.unix_ms()).max(0) as u64),
            (None, Some(since)) if self.waiting > 0 => since.elapsed(),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_was_given_up_is_not_wanted_for_longer_and_longer_until_it_is_begun() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert!(seen.is_wanted(now));
        for seconds in [30, 60, 120, 240, 300, 300] {
            seen.was_given_up(now);
            // Its channel is closed then, which changes nothing.
            seen.leave();
            assert!(!seen.is_wanted(now + Duration::from_secs(seconds - 1)), "{seconds}");
            assert!(seen.is_wanted(now + Duration::from_secs(seconds)), "{seconds}");
        }
        seen.has_begun();
        assert!(seen.is_wanted(now));
        seen.was_given_up(now);
        assert!(seen.is_wanted(now + Duration::from_secs(30)));
    }
}
