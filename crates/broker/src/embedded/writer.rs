//! The one thread that writes: commits what waits, group by group, and removes what is consumed.

use super::{
    Shared,
    frame::{self, Counts},
    patience::Patience,
    pending::{Chores, Group},
};
use crate::PublishError;
use fieldwatch_segment_log::{CommitError, FRAME_HEADER_BYTES, Log};
use fieldwatch_wire::queued::QUEUE_FORMAT;
use std::{
    error::Error,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A segment older than this is finished though it is not full, so that consumed readings of forgotten devices do not lie
/// around in it for ever.
const OLD: Duration = Duration::from_hours(1);

/// Writes until the queue is closed and everything that was handed over is durable.
pub(super) fn run(log: Log, shared: &Shared) {
    let mut writer = Writer { log, shared };
    let mut patience = Patience::default();
    let _ended = Ended(shared);
    writer.segments_have_changed();
    while let Some(work) = shared.pending.take() {
        if let Some(group) = work.group {
            let group = Told(group);
            let begun = Instant::now();
            writer.commit(&group.0);
            if let Some(gather) = patience.after(group.0.publishers, begun.elapsed()) {
                patience.learn(shared.pending.gather(gather));
            }
        }
        writer.see_to(work.chores);
    }
}

struct Writer<'a> {
    log: Log,
    shared: &'a Shared,
}

/// Nobody waits for ever for a writer that is gone, however it went.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.pending.stop("its writer has ended");
        self.0.closed.send_replace(true);
    }
}

/// The same for the group in hand.
struct Told(Group);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.tell(Err(PublishError::Stopped("its writer has failed".to_owned())));
    }
}

impl Writer<'_> {
    /// Makes a group durable as one frame, then visible, then tells its publishers.
    fn commit(&mut self, group: &Group) {
        let mut counts: Counts = [0; _];
        group.parts.iter().for_each(|part| frame::count(part, &mut counts));
        let format = [QUEUE_FORMAT];
        let mut parts: Vec<&[u8]> = Vec::with_capacity(group.parts.len() + 1);
        parts.push(&format);
        parts.extend(group.parts.iter().map(Vec::as_slice));
        let end_before = self.log.end();
        match self.log.commit(&parts) {
            Ok(committed) => {
                let start = committed.address_of_payload - FRAME_HEADER_BYTES;
                self.shared.ledger.committed(&counts, start, committed.end);
                self.shared.room.set_log_bytes(self.log.bytes());
                self.shared.room.take();
                self.shared.closed.send_modify(|_| {});
                self.shared.metrics.commit_seconds.observe(group.begun.elapsed().as_secs_f64());
                group.tell(Ok(()));
                if start != end_before {
                    self.segments_have_changed();
                }
            }
            Err(error) => self.refuse(group, &error),
        }
    }

    fn refuse(&mut self, group: &Group, error: &CommitError) {
        let text = chain(error);
        if self.log.is_poisoned() {
            tracing::error!(error = %text, "the reading queue stops: nobody knows what its disk holds");
            group.tell(Err(PublishError::Stopped(text.clone())));
            self.shared.pending.stop(&text);
        } else {
            self.shared.room.refuse(text.clone());
            group.tell(Err(PublishError::Full(text)));
            self.see_to(Chores { make_room: true, ..Chores::default() });
        }
    }

    fn see_to(&mut self, chores: Chores) {
        if chores == Chores::default() {
            return;
        }
        let idle = self.shared.ledger.all_is_passed();
        if (chores.make_room && idle) || (chores.tidy && (idle || self.newest_is_old())) {
            // Does nothing while the newest segment is empty.
            if let Err(error) = self.log.roll() {
                tracing::warn!(error = %chain(&error), "cannot begin a new segment of the reading queue");
            }
        }
        let removed = self.shared.ledger.passed().map_or(Ok(0), |passed| self.log.remove_before(passed));
        self.shared.room.set_log_bytes(self.log.bytes());
        match removed {
            Ok(_) => self.segments_have_changed(),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "cannot remove consumed readings");
                // Tried again when there is a new segment, not at once.
                self.shared.removable_at.store(u64::MAX, Relaxed);
            }
        }
    }

    fn newest_is_old(&self) -> bool {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let created_ms = self.log.segments().last().map_or(now_ms, |newest| newest.created_ms);
        now_ms.saturating_sub(created_ms) >= OLD.as_millis() as i64
    }

    /// Lets consumers know from where on the oldest segment is worth a word to the writer.
    fn segments_have_changed(&self) {
        let oldest = self.log.segments().into_iter().next();
        let removable = oldest.filter(|oldest| oldest.sealed).map_or(u64::MAX, |oldest| oldest.end);
        self.shared.removable_at.store(removable, Relaxed);
        // A consumer may have passed it a moment ago, and not have known.
        if self.shared.ledger.passed().is_some_and(|passed| passed >= removable) {
            self.shared.pending.ask(Chores { remove: true, ..Chores::default() });
        }
    }
}

/// An error with all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
