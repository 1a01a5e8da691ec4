//! Reads the log for the owner of some partitions.

use super::{
    MAX_FRAME_KEPT, PARTITIONS, Shared,
    claim::Claimed,
    frame::{Counts, Unreadable, Walk},
    progress,
};
use crate::{Checkpoint, ConsumeError, Consumer, Delivered, DeliveredEntry, Delivery, Next, queue::BoxFuture};
use fieldwatch_segment_log::{FrameCursor, LogId, ReadError};
use std::sync::Arc;
use tokio::sync::watch;

/// Bytes of the log that one look goes through, and a frame more. It bounds a delivery, and when all is passed over, others on
/// this thread get their turn after it.
const LOOKED_AT_ONCE: u64 = 4 << 20;

/// The owner of some partitions. Each consumer reads the whole log by itself: what it passes over costs it a checksum, and
/// is in the system's memory anyway.
pub(super) struct EmbeddedConsumer {
    shared: Arc<Shared>,
    closed: watch::Receiver<bool>,
    claimed: Arc<Claimed>,
    cursor: FrameCursor,
    /// What of the last frame was not delivered yet.
    rest: Rest,
    /// Up to here entries were delivered or passed over.
    reached: u64,
    /// Up to here reached the last delivery, and the last one that is stored.
    delivered: u64,
    stored: u64,
    /// Up to here the ledger knows that everything is passed.
    told: u64,
    /// A frame was passed that cannot be understood. Going on after it would lose it silently.
    unreadable: Option<Unreadable>,
}

/// Entries from the middle of a frame to its end.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    at: usize,
    address: u64,
}

/// What one look at the log gave.
enum Look {
    Found(Delivery),
    PassedOver,
    AtEnd,
}

impl EmbeddedConsumer {
    pub(super) fn new(shared: Arc<Shared>, claimed: Claimed, cursor: FrameCursor) -> Self {
        let from = cursor.position();
        let closed = shared.closed.subscribe();
        let rest = Rest::default();
        let claimed = Arc::new(claimed);
        Self { shared, closed, claimed, cursor, rest, reached: from, delivered: 0, stored: 0, told: 0, unreadable: None }
    }

    fn look(&mut self, limit: usize) -> Result<Look, ConsumeError> {
        let claimed = Arc::clone(&self.claimed);
        let mut gathering = Gathering::new(&claimed, limit);
        let pause_at = self.reached + LOOKED_AT_ONCE;
        let mut gathered = Ok(true);
        while matches!(gathered, Ok(true)) && !gathering.is_full() && self.reached < pause_at {
            gathered = self.gather(&mut gathering);
        }
        let delivery = gathering.finish(self.shared.reader.log_id(), self.reached);
        if !delivery.entries.is_empty() {
            // A failure after them comes again with the next call.
            self.delivered = self.reached;
            return Ok(Look::Found(delivery));
        }
        let there_may_be_more = gathered.map_err(ConsumeError::Failed)?;
        self.tell_what_is_passed();
        Ok(if there_may_be_more { Look::PassedOver } else { Look::AtEnd })
    }

    /// Gathers from the rest of a frame, or from the next one. False: there is none.
    fn gather(&mut self, gathering: &mut Gathering<'_>) -> Result<bool, String> {
        if let Some(unreadable) = self.unreadable {
            return Err(unreadable.to_string());
        }
        if !self.rest.is_empty() {
            let mut walk = self.rest.walk();
            let taken = gathering.take_from(&mut walk);
            let (left, address) = walk.rest();
            self.rest.at = self.rest.bytes.len() - left.len();
            self.rest.address = address;
            self.rest.forget_if_done();
            return self.reach(address, taken);
        }
        let Some(frame) = self.cursor.next_frame().map_err(|error| explain(&error))? else {
            self.reached = self.reached.max(self.cursor.position());
            return Ok(false);
        };
        let (address, length) = (frame.address_of_payload, frame.payload.len());
        let mut walk = match Walk::frame(frame.payload, address) {
            Ok(walk) => walk,
            Err(unreadable) => return self.reach(address, Err(unreadable)),
        };
        let taken = gathering.take_from(&mut walk);
        let (left, address) = walk.rest();
        self.rest.keep(left, address);
        if length > MAX_FRAME_KEPT {
            // The cursor keeps the memory of the largest frame it met.
            self.cursor = self.shared.reader.frames_from(self.cursor.position());
        }
        self.reach(address, taken)
    }

    fn reach(&mut self, address: u64, taken: Result<(), Unreadable>) -> Result<bool, String> {
        match taken {
            Ok(()) => {
                self.reached = address;
                Ok(true)
            }
            Err(unreadable) => Err(self.unreadable.insert(unreadable).to_string()),
        }
    }

    /// What was passed over counts as stored once everything that was delivered before is.
    fn tell_what_is_passed(&mut self) {
        let passed = if self.stored >= self.delivered { self.reached } else { self.stored };
        if passed > self.told {
            self.told = passed;
            self.shared.pass(self.claimed.id, passed);
        }
    }
}

impl Consumer for EmbeddedConsumer {
    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Next, ConsumeError>> {
        Box::pin(async move {
            loop {
                // Before the look, so that what is committed during it is not waited for.
                let closed = *self.closed.borrow_and_update();
                match self.look(limit.max(1))? {
                    Look::Found(delivery) => return Ok(Next::Delivery(delivery)),
                    Look::PassedOver => tokio::task::yield_now().await,
                    Look::AtEnd if closed => return Err(ConsumeError::Closed),
                    Look::AtEnd => self.closed.changed().await.map_err(|_| ConsumeError::Closed)?,
                }
            }
        })
    }

    fn stored(&mut self, delivered: Delivered) {
        self.shared.ledger.stored(&delivered.counts);
        self.stored = self.stored.max(delivered.through);
        self.tell_what_is_passed();
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.shared.ledger.release(self.claimed.id);
    }
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn walk(&self) -> Walk<'_> {
        Walk::entries(&self.bytes[self.at..], self.address)
    }

    fn keep(&mut self, left: &[u8], address: u64) {
        self.bytes.clear();
        self.bytes.extend_from_slice(left);
        (self.at, self.address) = (0, address);
    }

    fn forget_if_done(&mut self) {
        if self.is_empty() && self.bytes.capacity() > MAX_FRAME_KEPT {
            *self = Self::default();
        }
    }
}

/// A delivery in the making.
struct Gathering<'a> {
    claimed: &'a Claimed,
    limit: usize,
    delivery: Delivery,
    counts: Counts,
    /// Address after the last entry of each partition that has one here.
    ends: [u64; PARTITIONS],
}

impl<'a> Gathering<'a> {
    fn new(claimed: &'a Claimed, limit: usize) -> Self {
        Self { claimed, limit, delivery: Delivery::default(), counts: [0; _], ends: [0; _] }
    }

    fn is_full(&self) -> bool {
        self.delivery.entries.len() >= self.limit
    }

    /// Takes this consumer's entries until the walk ends or the delivery is full.
    fn take_from(&mut self, walk: &mut Walk<'_>) -> Result<(), Unreadable> {
        while !self.is_full() {
            let Some(entry) = walk.next() else { break };
            let entry = entry?;
            let at = usize::from(entry.partition);
            if !self.claimed.is_mine[at] || entry.address < self.claimed.starts[at] {
                continue;
            }
            let begin = self.delivery.bytes.len();
            self.delivery.bytes.extend_from_slice(entry.body);
            let body = begin..self.delivery.bytes.len();
            self.delivery.entries.push(DeliveredEntry { body, partition: entry.partition, place: entry.address });
            self.counts[at] += 1;
            self.ends[at] = entry.end();
        }
        Ok(())
    }

    fn finish(mut self, log_id: LogId, through: u64) -> Delivery {
        for (partition, (count, end)) in (0..).zip(self.counts.iter().zip(self.ends)).filter(|(_, (count, _))| **count > 0) {
            self.delivery.delivered.counts.push((partition, *count));
            self.delivery.checkpoints.push(Checkpoint { partition, progress: progress::encode(log_id, end) });
        }
        self.delivery.delivered.through = through;
        self.delivery
    }
}

/// An error with its cause.
pub(super) fn explain(error: &ReadError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
