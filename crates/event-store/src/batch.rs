//! What is stored together, or not at all.

use fieldwatch_domain::{Celsius, Device, DeviceNumber, Location, ReadingId, RecordedEvent, Timestamp, Tracking};
use fieldwatch_wire::queued::Checkpoint;

/// What a state shard has decided, in the order in which it was decided, and how far the queue was consumed for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Events, late readings and observations. Those of one device are in its order; versions go on without gap from the
    /// version that is stored, which is what makes them the expected version.
    pub entries: Vec<Entry>,
    /// How far each partition has been decided with this batch.
    pub checkpoints: Vec<Checkpoint>,
}

/// One thing that is stored about one device.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// An event; its `position` is 0 until it is stored.
    Event(RecordedEvent),
    /// A reading that came late, kept with the history.
    Late(LateReading),
    /// What a reading without an event leaves behind. Not part of any history, never shown.
    Observation(Observation),
    /// The whole state of a device that was passivated, so that it is restored by reading one record.
    Passivated(Box<(DeviceNumber, Device, Tracking)>),
}

/// A reading that came late.
#[derive(Clone, Debug, PartialEq)]
pub struct LateReading {
    /// Whose it is.
    pub device: DeviceNumber,
    /// The place in the event log; 0 until it is stored.
    pub position: u64,
    /// The reading's time.
    pub at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its temperature.
    pub temperature: Celsius,
    /// Its location.
    pub location: Location,
    /// Its id.
    pub reading_id: ReadingId,
}

/// What a reading without an event leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Whose it is.
    pub device: DeviceNumber,
    /// The reading's time.
    pub at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// What the device remembers of its id ([`ReadingId::fingerprint`]).
    pub fingerprint: u64,
}

/// A batch that is durable: its events and late readings have their positions.
#[derive(Debug, PartialEq)]
pub struct Stored {
    /// As in the batch, positions filled in, growing.
    pub entries: Vec<Entry>,
    /// Position of the newest event in the log after this batch: that of its last event, or what it was before. 0: none.
    pub newest: u64,
}

impl Entry {
    /// Whose entry it is.
    pub fn device(&self) -> DeviceNumber {
        match self {
            Self::Event(event) => event.device,
            Self::Late(late) => late.device,
            Self::Observation(observation) => observation.device,
            Self::Passivated(state) => state.0,
        }
    }
}
