//! What waits in the reading queue: one entry, as it is stored between ingest and device state.
//!
//! An entry is `partition: u16 LE, length: u16 LE, body`; the body is postcard of `Queued`. The format's version is
//! the first byte of each queue frame ([`QUEUE_FORMAT`]); variants are only ever added at the end. Each is pinned by
//! `golden/queue_entries_v1.txt`.

use crate::damaged::Damaged;
use crate::packed::{MOST, Packed, Unpacking};
use fieldwatch_domain::{Celsius, Change, Description, Edit, InvalidDescription, Location, Reading, ReadingId, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Version of the queue's entries: the first byte of each frame.
pub const QUEUE_FORMAT: u8 = 1;

/// Bytes before an entry's body.
pub const ENTRY_HEADER: usize = 4;

/// How far a partition of the queue has been decided. The queue makes it and reads it; the store keeps it, together with
/// the events that were decided up to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The partition.
    pub partition: u16,
    /// The queue's own note. The embedded queue: 24 bytes, an address and the id of its log.
    pub progress: Box<[u8]>,
}

/// One thing that a device is to take, in its stored form.
#[derive(Serialize, Deserialize)]
enum Queued<'a> {
    Reading {
        device_id: &'a str,
        temperature: i32,
        latitude: i32,
        longitude: i32,
        at: Option<i64>,
        received_at: i64,
        id: StoredReadingId<'a>,
    },
    Describe {
        device_id: &'a str,
        command: u64,
        name: Option<&'a str>,
        labels: Vec<&'a str>,
    },
    Forget {
        device_id: &'a str,
        command: u64,
    },
    Edit {
        device_id: &'a str,
        command: u64,
        name: StoredName<'a>,
        labels: Option<Vec<&'a str>>,
    },
}

/// What becomes of a name, in its stored form.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum StoredName<'a> {
    Stays,
    Cleared,
    Set(&'a str),
}

/// The number of [`Queued::Reading`] in its stored form.
const READING: u8 = 0;

/// A reading id in its stored form.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum StoredReadingId<'a> {
    Number(u64),
    Text(&'a str),
}

impl<'a> StoredReadingId<'a> {
    pub(crate) fn of(id: &'a ReadingId) -> Self {
        match (id.number(), id.text()) {
            (Some(number), _) => Self::Number(number),
            (None, text) => Self::Text(text.unwrap_or_default()),
        }
    }

    /// Packs the id but for the text that has to follow, which it gives.
    pub(crate) fn pack<const ROOM: usize>(self, packed: &mut Packed<ROOM>) -> &'a str {
        match self {
            Self::Number(number) => {
                packed.byte(0);
                packed.unsigned(number);
                ""
            }
            Self::Text(text) => {
                packed.byte(1);
                packed.unsigned(text.len() as u64);
                text
            }
        }
    }

    fn unpack(packed: &mut Unpacking<'a>) -> Option<Self> {
        match packed.byte()? {
            0 => Some(Self::Number(packed.unsigned()?)),
            1 => Some(Self::Text(packed.text()?)),
            _ => None,
        }
    }

    pub(crate) fn restore(self) -> Result<ReadingId, Damaged> {
        match self {
            Self::Number(number) => Ok(ReadingId::given(number)),
            Self::Text(text) => ReadingId::new(text).map_err(|_| Damaged("reading id")),
        }
    }
}

/// In which form entries come from a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryForm {
    /// Packed, as the embedded queue keeps them ([`read_request`]).
    #[default]
    Packed,
    /// A line of text, as they travel through a broker ([`crate::queued_line`]).
    Line,
}

/// Reads an entry of either form: whose it is, and what is asked.
///
/// # Errors
/// When the bytes are not an entry of this form.
pub fn read_entry(form: EntryForm, body: &[u8]) -> Result<(Cow<'_, str>, Request), Damaged> {
    match form {
        EntryForm::Packed => read_request(body).map(|(id, request)| (Cow::Borrowed(id), request)),
        EntryForm::Line => crate::queued_line::read_line(body),
    }
}

/// What a device is asked, read back from the queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// To take a reading.
    Record(Reading),
    /// To take a new name and labels, both; the number is the command's, by which the asker is answered. Entries of former
    /// versions ask so.
    Describe(u64, Box<Description>),
    /// To be forgotten; the number is the command's.
    Forget(u64),
    /// To change name, labels, or both from what they are then; the number is the command's.
    Edit(u64, Box<Edit>),
}

/// Appends an entry with a reading.
pub fn write_reading(out: &mut Vec<u8>, partition: u16, device_id: &str, reading: &Reading) {
    let start = out.len();
    let [low, high] = partition.to_le_bytes();
    let mut head = Packed::<{ ENTRY_HEADER + 1 + MOST }>::after([low, high, 0, 0, READING]);
    head.unsigned(device_id.len() as u64);
    let mut values = Packed::<{ 2 + 6 * MOST }>::after([]);
    values.signed(i64::from(reading.temperature.steps()));
    values.signed(i64::from(reading.location.latitude()));
    values.signed(i64::from(reading.location.longitude()));
    match reading.at {
        None => values.byte(0),
        Some(at) => {
            values.byte(1);
            values.signed(at.unix_ms());
        }
    }
    values.signed(reading.received_at.unix_ms());
    let id = StoredReadingId::of(&reading.id).pack(&mut values);
    out.extend_from_slice(head.as_slice());
    out.extend_from_slice(device_id.as_bytes());
    out.extend_from_slice(values.as_slice());
    out.extend_from_slice(id.as_bytes());
    note_length(out, start);
}

/// Appends an entry with a new name and labels, as former versions did for an edit.
pub fn write_describe(out: &mut Vec<u8>, partition: u16, device_id: &str, command: u64, description: &Description) {
    let labels = description.labels().iter().map(AsRef::as_ref).collect();
    write_entry(out, partition, &Queued::Describe { device_id, command, name: description.name(), labels });
}

/// Appends an entry with the wish to forget a device.
pub fn write_forget(out: &mut Vec<u8>, partition: u16, device_id: &str, command: u64) {
    write_entry(out, partition, &Queued::Forget { device_id, command });
}

/// Appends an entry with an edit of name, labels, or both.
pub fn write_edit(out: &mut Vec<u8>, partition: u16, device_id: &str, command: u64, edit: &Edit) {
    let name = match edit.name() {
        Change::Stays => StoredName::Stays,
        Change::Becomes(None) => StoredName::Cleared,
        Change::Becomes(Some(name)) => StoredName::Set(name),
    };
    let labels = edit.labels().becomes().map(|labels| labels.iter().map(AsRef::as_ref).collect());
    write_entry(out, partition, &Queued::Edit { device_id, command, name, labels });
}

fn write_entry(out: &mut Vec<u8>, partition: u16, queued: &Queued<'_>) {
    let start = out.len();
    out.extend_from_slice(&partition.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    let buffer = std::mem::take(out);
    *out = postcard::to_extend(queued, buffer).expect("a vector takes any number of bytes");
    note_length(out, start);
}

fn note_length(out: &mut [u8], start: usize) {
    let length = u16::try_from(out.len() - start - ENTRY_HEADER).expect("ids, names and labels are limited far below 64 KiB");
    out[start + 2..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// The partition of an entry and the length of its body, from its header.
pub fn read_entry_header(header: [u8; ENTRY_HEADER]) -> (u16, usize) {
    (u16::from_le_bytes([header[0], header[1]]), usize::from(u16::from_le_bytes([header[2], header[3]])))
}

/// Reads an entry's body: whose it is, and what is asked.
///
/// # Errors
/// When the bytes are not an entry of this format.
pub fn read_request(body: &[u8]) -> Result<(&str, Request), Damaged> {
    let queued = match unpack_reading(body) {
        Some(reading) => reading,
        None => postcard::from_bytes(body).map_err(|_| Damaged("queue entry"))?,
    };
    match queued {
        Queued::Reading { device_id, temperature, latitude, longitude, at, received_at, id } => {
            let reading = Reading {
                temperature: Celsius::from_stored(temperature),
                location: Location::from_stored(latitude, longitude),
                at: at.map(Timestamp::from_unix_ms),
                received_at: Timestamp::from_unix_ms(received_at),
                id: id.restore()?,
            };
            Ok((device_id, Request::Record(reading)))
        }
        Queued::Describe { device_id, command, name, labels } => {
            let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
            let description = Description::new(name, &labels).map_err(|_: InvalidDescription| Damaged("description"))?;
            Ok((device_id, Request::Describe(command, Box::new(description))))
        }
        Queued::Forget { device_id, command } => Ok((device_id, Request::Forget(command))),
        Queued::Edit { device_id, command, name, labels } => {
            let name = match name {
                StoredName::Stays => Change::Stays,
                StoredName::Cleared => Change::Becomes(None),
                StoredName::Set(name) => Change::Becomes(Some(name)),
            };
            let labels: Option<Vec<String>> = labels.map(|labels| labels.into_iter().map(Into::into).collect());
            let labels = labels.as_deref().map_or(Change::Stays, Change::Becomes);
            let edit = Edit::new(name, labels).map_err(|_: InvalidDescription| Damaged("edit of a description"))?;
            Ok((device_id, Request::Edit(command, Box::new(edit))))
        }
    }
}

/// The reading of an entry that [`write_reading`] has written; of all others postcard knows more.
fn unpack_reading(body: &[u8]) -> Option<Queued<'_>> {
    let mut packed = Unpacking::new(body);
    if packed.byte()? != READING {
        return None;
    }
    Some(Queued::Reading {
        device_id: packed.text()?,
        temperature: packed.small()?,
        latitude: packed.small()?,
        longitude: packed.small()?,
        at: match packed.byte()? {
            0 => None,
            1 => Some(packed.signed()?),
            _ => return None,
        },
        received_at: packed.signed()?,
        id: StoredReadingId::unpack(&mut packed)?,
    })
}

#[cfg(test)]
mod tests;
