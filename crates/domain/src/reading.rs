//! What a device sends.

use crate::{Celsius, Location, ReadingId, Timestamp};

/// One reading of one device, checked at the edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The temperature it measured.
    pub temperature: Celsius,
    /// Where it was.
    pub location: Location,
    /// The device's own time; without one the reading is never late.
    pub at: Option<Timestamp>,
    /// When ingest received it.
    pub received_at: Timestamp,
    /// By which a repeat is recognised.
    pub id: ReadingId,
}
