//! The one thread that tells: subscribers in the order of the log, then whoever appended.

use super::{
    shared::{Shared, Trouble},
    writer::Answer,
};
use crate::{Entry, Stored};
use std::sync::{Arc, atomic::Ordering, mpsc::Receiver};

/// How many groups wait to be announced. When subscribers are slower than the disk, the writer waits for them.
pub(super) const ANNOUNCER_QUEUE: usize = 8;

/// A batch that is durable and not told of yet.
pub(super) struct Announcement {
    pub(super) stored: Arc<Stored>,
    pub(super) answer: Answer,
}

/// Works until the writer has ended and everything is told.
pub(super) fn run(shared: &Shared, inbox: &Receiver<Vec<Announcement>>) {
    let _told = StopsIfPanicking(shared);
    for group in inbox {
        for Announcement { stored, answer } in group {
            for entry in &stored.entries {
                if let Entry::Event(event) = entry {
                    shared.counters[event.event.event_type() as usize].inc();
                }
            }
            for subscriber in shared.subscribers.read().iter() {
                subscriber(&stored);
            }
            shared.newest.store(stored.newest, Ordering::Release);
            // Whoever gave up waiting does not hear of it; stored it is all the same.
            let _ = answer.send(Ok(stored));
        }
    }
}

/// What a subscriber that panics was told is not known, so nothing more may be told, and nothing more is taken.
struct StopsIfPanicking<'a>(&'a Shared);

impl Drop for StopsIfPanicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "who is told of stored events has failed";
            tracing::error!(reason, "the event store has stopped");
            *self.0.trouble.lock() = Some(Trouble::Stopped(reason.into()));
        }
    }
}
