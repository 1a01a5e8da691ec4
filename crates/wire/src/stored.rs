//! The records of the embedded event store, as they lie in its log.
//!
//! A frame of the log is a sequence of records. A record is a header of four bytes (`kind` in the lowest, the body's
//! length in the upper three, little-endian) and a body in postcard. A record's address in the log is the position of
//! the event in it; records of one device point back to the one before ([`Link`]), so that its history can be walked
//! without an index. The format's version is that of the log's files; kinds and variants are only ever added.

mod event;
mod packed_event;
mod snapshot;

pub use event::StoredEvent;
pub use snapshot::DeviceSnapshot;

use crate::damaged::Damaged;
use crate::packed::{MOST, Packed};
use crate::queued::StoredReadingId;
use event::EventBody;
use fieldwatch_domain::{Celsius, Location, ReadingId, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use snapshot::SnapshotBody;

/// Bytes before a record's body.
pub const RECORD_HEADER: usize = 4;
/// The longest body.
const MAX_BODY: usize = (1 << 24) - 1;

/// Where the record before of the same device lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Link {
    /// There is none.
    #[default]
    None,
    /// So many bytes before this record: in the same batch, whose address was not known when it was written.
    Back(u64),
    /// At this address.
    At(u64),
}

impl Link {
    fn encode(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Back(distance) => distance << 1 | 1,
            Self::At(address) => address << 1,
        }
    }

    fn decode(bits: u64) -> Self {
        match (bits, bits & 1) {
            (0, _) => Self::None,
            (_, 1) => Self::Back(bits >> 1),
            _ => Self::At(bits >> 1),
        }
    }

    /// The address it points to, seen from a record at `own`.
    pub fn resolve(self, own: u64) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Back(distance) => own.checked_sub(distance),
            Self::At(address) => Some(address),
        }
    }
}

/// A reading that came late, kept with the history.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLateReading<'a> {
    /// Whose it is.
    pub device_id: &'a str,
    /// The record of this device before it.
    pub prev: Link,
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
pub struct StoredObservation<'a> {
    /// Whose it is.
    pub device_id: &'a str,
    /// The reading's time.
    pub at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// What the device remembers of its id.
    pub fingerprint: u64,
}

/// A record, read.
#[derive(Debug, PartialEq)]
pub enum Record<'a> {
    /// An event.
    Event(StoredEvent<'a>),
    /// A late reading.
    Late(StoredLateReading<'a>),
    /// An observation.
    Observation(StoredObservation<'a>),
    /// How far a partition of the queue has been decided.
    Checkpoint {
        /// The partition.
        partition: u16,
        /// The queue's own note of it.
        progress: &'a [u8],
    },
    /// A device's state when it was passivated.
    Snapshot(Box<DeviceSnapshot<'a>>),
    /// What was here belonged to a forgotten device.
    Erased,
}

#[derive(Serialize, Deserialize)]
struct LateBody<'a> {
    prev: u64,
    device_id: &'a str,
    at: i64,
    received_at: i64,
    temperature: i32,
    latitude: i32,
    longitude: i32,
    reading_id: StoredReadingId<'a>,
}

#[derive(Serialize, Deserialize)]
struct ObservationBody<'a> {
    device_id: &'a str,
    at: i64,
    /// Receipt after `at`, in milliseconds; devices without a clock of their own have 0 here.
    received_after: i64,
    fingerprint: u64,
}

#[derive(Serialize, Deserialize)]
struct CheckpointBody<'a> {
    partition: u16,
    progress: &'a [u8],
}

const EVENT: u8 = 1;
const LATE: u8 = 2;
const OBSERVATION: u8 = 3;
const CHECKPOINT: u8 = 4;
const SNAPSHOT: u8 = 5;
const ERASED: u8 = 6;

/// Appends an event.
pub fn write_event(out: &mut Vec<u8>, prev: Link, device_id: &str, recorded: &RecordedEvent) {
    let body = EventBody::of(prev, device_id, recorded);
    let start = out.len();
    if body.pack(out) {
        note_header(out, start, EVENT);
    } else {
        write_record(out, EVENT, &body);
    }
}

/// Appends a late reading.
pub fn write_late(out: &mut Vec<u8>, late: &StoredLateReading<'_>) {
    let body = LateBody {
        prev: late.prev.encode(),
        device_id: late.device_id,
        at: late.at.unix_ms(),
        received_at: late.received_at.unix_ms(),
        temperature: late.temperature.steps(),
        latitude: late.location.latitude(),
        longitude: late.location.longitude(),
        reading_id: StoredReadingId::of(&late.reading_id),
    };
    write_record(out, LATE, &body);
}

/// Appends an observation.
pub fn write_observation(out: &mut Vec<u8>, observation: &StoredObservation<'_>) {
    let StoredObservation { device_id, at, received_at, fingerprint } = *observation;
    let mut values = Packed::<{ 3 * MOST }>::after([]);
    values.signed(at.unix_ms());
    values.signed(received_at.unix_ms().wrapping_sub(at.unix_ms()));
    values.unsigned(fingerprint);
    let start = out.len();
    let mut head = Packed::<{ RECORD_HEADER + MOST }>::after([0; RECORD_HEADER]);
    head.unsigned(device_id.len() as u64);
    out.extend_from_slice(head.as_slice());
    out.extend_from_slice(device_id.as_bytes());
    out.extend_from_slice(values.as_slice());
    note_header(out, start, OBSERVATION);
}

/// Appends a checkpoint.
pub fn write_checkpoint(out: &mut Vec<u8>, partition: u16, progress: &[u8]) {
    write_record(out, CHECKPOINT, &CheckpointBody { partition, progress });
}

/// Appends a device's state.
pub fn write_snapshot(out: &mut Vec<u8>, snapshot: &DeviceSnapshot<'_>) {
    write_record(out, SNAPSHOT, &SnapshotBody::of(snapshot));
}

fn write_record(out: &mut Vec<u8>, kind: u8, body: &impl Serialize) {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEADER]);
    let buffer = std::mem::take(out);
    *out = postcard::to_extend(body, buffer).expect("a vector takes any number of bytes");
    note_header(out, start, kind);
}

fn note_header(out: &mut [u8], start: usize, kind: u8) {
    let length = out.len() - start - RECORD_HEADER;
    assert!(length <= MAX_BODY, "every part of a record is limited far below 16 MiB");
    let header = (length as u32) << 8 | u32::from(kind);
    out[start..start + RECORD_HEADER].copy_from_slice(&header.to_le_bytes());
}

/// The kind and the body's length of a record, from its header.
pub fn read_record_header(header: [u8; RECORD_HEADER]) -> (u8, usize) {
    let bits = u32::from_le_bytes(header);
    (bits as u8, (bits >> 8) as usize)
}

/// Reads the record at the start of `bytes`; gives it and how many bytes it takes.
///
/// # Errors
/// When the bytes are not a record, or not a whole one.
pub fn read_record(bytes: &[u8]) -> Result<(Record<'_>, usize), Damaged> {
    let header = bytes.first_chunk::<RECORD_HEADER>().ok_or(Damaged("record header"))?;
    let (kind, length) = read_record_header(*header);
    let body = bytes.get(RECORD_HEADER..RECORD_HEADER + length).ok_or(Damaged("record"))?;
    Ok((read_body(kind, body)?, RECORD_HEADER + length))
}

fn read_body(kind: u8, body: &[u8]) -> Result<Record<'_>, Damaged> {
    Ok(match kind {
        EVENT => Record::Event(decode::<EventBody<'_>>(body, "event")?.restore()?),
        LATE => {
            let body: LateBody<'_> = decode(body, "late reading")?;
            Record::Late(StoredLateReading {
                device_id: body.device_id,
                prev: Link::decode(body.prev),
                at: Timestamp::from_unix_ms(body.at),
                received_at: Timestamp::from_unix_ms(body.received_at),
                temperature: Celsius::from_stored(body.temperature),
                location: Location::from_stored(body.latitude, body.longitude),
                reading_id: body.reading_id.restore()?,
            })
        }
        OBSERVATION => {
            let body: ObservationBody<'_> = decode(body, "observation")?;
            Record::Observation(StoredObservation {
                device_id: body.device_id,
                at: Timestamp::from_unix_ms(body.at),
                received_at: Timestamp::from_unix_ms(body.at.wrapping_add(body.received_after)),
                fingerprint: body.fingerprint,
            })
        }
        CHECKPOINT => {
            let body: CheckpointBody<'_> = decode(body, "checkpoint")?;
            Record::Checkpoint { partition: body.partition, progress: body.progress }
        }
        SNAPSHOT => Record::Snapshot(Box::new(decode::<SnapshotBody<'_>>(body, "device snapshot")?.restore()?)),
        ERASED => Record::Erased,
        _ => return Err(Damaged("record of an unknown kind")),
    })
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8], what: &'static str) -> Result<T, Damaged> {
    postcard::from_bytes(body).map_err(|_| Damaged(what))
}

/// Blanks the record at the start of `bytes`: its length stays, its content is zeros.
pub fn erase_record(bytes: &mut [u8]) {
    if let Some(header) = bytes.first_chunk::<RECORD_HEADER>() {
        let (_, length) = read_record_header(*header);
        bytes[0] = ERASED;
        if let Some(body) = bytes.get_mut(RECORD_HEADER..RECORD_HEADER + length) {
            body.fill(0);
        }
    }
}

#[cfg(test)]
mod tests;
