//! What a reading leaves behind besides events.

use crate::{ReadingId, RecentIds, Timestamp};

/// What is known of a device beside the fold of its events: a few facts that every reading moves, even one that raises
/// no event. Kept durable by *observations*; never shown as history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// The newest time of a reading, by the device's own clock where it has one.
    pub newest_at: Timestamp,
    /// When the last reading was received.
    pub received_at: Timestamp,
    /// How many readings came late.
    pub late_readings: u32,
    /// By which repeats are recognised.
    pub recent_ids: RecentIds,
}

impl Default for Tracking {
    fn default() -> Self {
        Self { newest_at: Timestamp::MIN, received_at: Timestamp::MIN, late_readings: 0, recent_ids: RecentIds::default() }
    }
}

impl Tracking {
    /// A reading was taken in its order.
    pub fn observe(&mut self, at: Timestamp, received_at: Timestamp, id: &ReadingId) {
        self.observe_fingerprint(at, received_at, id.fingerprint());
    }

    /// As [`Tracking::observe`], from what was stored of the id.
    pub fn observe_fingerprint(&mut self, at: Timestamp, received_at: Timestamp, fingerprint: u64) {
        self.newest_at = self.newest_at.max(at);
        self.received_at = self.received_at.max(received_at);
        self.recent_ids.remember(fingerprint);
    }

    /// A reading came late: it is counted and recognised again, and moves no current value.
    pub fn observe_late(&mut self, received_at: Timestamp, fingerprint: u64) {
        self.late_readings = self.late_readings.saturating_add(1);
        self.received_at = self.received_at.max(received_at);
        self.recent_ids.remember(fingerprint);
    }
}
