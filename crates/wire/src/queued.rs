//! What waits in the reading queue: one entry, as it is stored between ingest and device state.
//!
//! An entry is `partition: u16 LE, length: u16 LE, body`; the body is postcard of `Queued`. The format's version is
//! the first byte of each queue frame ([`QUEUE_FORMAT`]); variants are only ever added at the end.

use crate::damaged::Damaged;
use fieldwatch_domain::{Celsius, Description, InvalidDescription, Location, Reading, ReadingId, Timestamp};
use serde::{Deserialize, Serialize};

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
}

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

    pub(crate) fn restore(self) -> Result<ReadingId, Damaged> {
        match self {
            Self::Number(number) => Ok(ReadingId::given(number)),
            Self::Text(text) => ReadingId::new(text).map_err(|_| Damaged("reading id")),
        }
    }
}

/// What a device is asked, read back from the queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// To take a reading.
    Record(Reading),
    /// To take a new name and labels; the number is the command's, by which the asker is answered.
    Describe(u64, Box<Description>),
    /// To be forgotten; the number is the command's.
    Forget(u64),
}

/// Appends an entry with a reading.
pub fn write_reading(out: &mut Vec<u8>, partition: u16, device_id: &str, reading: &Reading) {
    let queued = Queued::Reading {
        device_id,
        temperature: reading.temperature.steps(),
        latitude: reading.location.latitude(),
        longitude: reading.location.longitude(),
        at: reading.at.map(Timestamp::unix_ms),
        received_at: reading.received_at.unix_ms(),
        id: StoredReadingId::of(&reading.id),
    };
    write_entry(out, partition, &queued);
}

/// Appends an entry with an edit of name and labels.
pub fn write_describe(out: &mut Vec<u8>, partition: u16, device_id: &str, command: u64, description: &Description) {
    let labels = description.labels().iter().map(AsRef::as_ref).collect();
    write_entry(out, partition, &Queued::Describe { device_id, command, name: description.name(), labels });
}

/// Appends an entry with the wish to forget a device.
pub fn write_forget(out: &mut Vec<u8>, partition: u16, device_id: &str, command: u64) {
    write_entry(out, partition, &Queued::Forget { device_id, command });
}

fn write_entry(out: &mut Vec<u8>, partition: u16, queued: &Queued<'_>) {
    let start = out.len();
    out.extend_from_slice(&partition.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    let buffer = std::mem::take(out);
    *out = postcard::to_extend(queued, buffer).expect("a vector takes any number of bytes");
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
    match postcard::from_bytes(body).map_err(|_| Damaged("queue entry"))? {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(bytes: &[u8]) -> Vec<(u16, &[u8])> {
        let (mut bodies, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let (partition, length) = read_entry_header(bytes[at..at + ENTRY_HEADER].try_into().expect("four bytes"));
            at += ENTRY_HEADER;
            bodies.push((partition, &bytes[at..at + length]));
            at += length;
        }
        bodies
    }

    #[test]
    fn what_was_queued_is_read_back() {
        let reading = |id: &str, at| Reading {
            temperature: Celsius::from_stored(-5),
            location: Location::from_stored(-900_000_000, 1_800_000_000),
            at,
            received_at: Timestamp::from_unix_ms(1_767_225_600_000),
            id: ReadingId::new(id).expect("a valid id"),
        };
        let described = Description::new(Some("Truck"), &["cold".into()]).expect("valid");
        let mut bytes = Vec::new();
        write_reading(&mut bytes, 7, "AL-0012", &reading("x1", None));
        write_reading(&mut bytes, 63, "ü", &reading("00000000000000ff", Some(Timestamp::from_unix_ms(5))));
        write_describe(&mut bytes, 1, "AL-0012", 9, &described);
        write_forget(&mut bytes, 2, "AL-0012", 10);
        let entries = bodies(&bytes);
        assert_eq!(entries.iter().map(|entry| entry.0).collect::<Vec<_>>(), [7, 63, 1, 2]);
        assert_eq!(read_request(entries[0].1), Ok(("AL-0012", Request::Record(reading("x1", None)))));
        assert_eq!(
            read_request(entries[1].1),
            Ok(("ü", Request::Record(reading("00000000000000ff", Some(Timestamp::from_unix_ms(5))))))
        );
        assert_eq!(read_request(entries[2].1), Ok(("AL-0012", Request::Describe(9, Box::new(described)))));
        assert_eq!(read_request(entries[3].1), Ok(("AL-0012", Request::Forget(10))));
        assert!(read_request(&entries[0].1[..5]).is_err());
    }
}
