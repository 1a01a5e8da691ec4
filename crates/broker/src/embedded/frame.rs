//! The entries that lie in one frame of the queue's log.
//!
//! A frame's payload is one byte, the format ([`QUEUE_FORMAT`]), then entries as [`queued`] writes them. An entry's address
//! is that of its header's first byte in the log.

use super::PARTITIONS;
use fieldwatch_wire::queued::{self, ENTRY_HEADER, QUEUE_FORMAT};

/// How many entries each partition has of something.
pub(super) type Counts = [u32; PARTITIONS];

/// One entry where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Where it begins in the log.
    pub(super) address: u64,
    /// Less than [`PARTITIONS`].
    pub(super) partition: u16,
    /// What a device is asked.
    pub(super) body: &'a [u8],
}

impl Entry<'_> {
    /// Address just after it.
    pub(super) fn end(&self) -> u64 {
        self.address + (ENTRY_HEADER + self.body.len()) as u64
    }
}

/// The checksum of a frame is right, and yet it holds no entries that this version can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Written by a newer version.
    #[error("the frame at {frame} of the reading queue has format {format}, this version reads {QUEUE_FORMAT}")]
    Format { frame: u64, format: u8 },
    /// Not what this version writes either.
    #[error("the entry at {0} of the reading queue is damaged")]
    Entry(u64),
}

/// Walks over entries that lie one after the other. Ends after the first that cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    rest: &'a [u8],
    address: u64,
}

impl<'a> Walk<'a> {
    /// Over a whole payload.
    pub(super) fn frame(payload: &'a [u8], address: u64) -> Result<Self, Unreadable> {
        match payload.split_first() {
            Some((&QUEUE_FORMAT, rest)) => Ok(Self { rest, address: address + 1 }),
            Some((&format, _)) => Err(Unreadable::Format { frame: address, format }),
            None => Ok(Self { rest: payload, address }),
        }
    }

    /// Over entries alone, the first of which lies at `address`.
    pub(super) fn entries(entries: &'a [u8], address: u64) -> Self {
        Self { rest: entries, address }
    }

    /// What was not walked over yet, and its address.
    pub(super) fn rest(&self) -> (&'a [u8], u64) {
        (self.rest, self.address)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Entry<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let address = self.address;
        let entry = self.rest.split_first_chunk().and_then(|(header, rest)| {
            let (partition, length) = queued::read_entry_header(*header);
            let (body, rest) = rest.split_at_checked(length)?;
            (usize::from(partition) < PARTITIONS).then_some((Entry { address, partition, body }, rest))
        });
        let Some((entry, rest)) = entry else {
            self.rest = &[];
            return Some(Err(Unreadable::Entry(address)));
        };
        (self.rest, self.address) = (rest, entry.end());
        Some(Ok(entry))
    }
}

/// Adds the entries of some bytes to the counts. Bytes that are no entries count nothing: who consumes them says so.
pub(super) fn count(entries: &[u8], counts: &mut Counts) {
    for entry in Walk::entries(entries, 0).flatten() {
        counts[usize::from(entry.partition)] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(partition: u16, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("short");
        [&partition.to_le_bytes()[..], &length.to_le_bytes(), body].concat()
    }

    #[test]
    fn entries_are_walked_over_with_their_addresses() {
        let payload = [&[QUEUE_FORMAT][..], &entry(3, b"abc"), &entry(63, b"")].concat();
        let mut walk = Walk::frame(&payload, 100).expect("a known format");
        assert_eq!(walk.next(), Some(Ok(Entry { address: 101, partition: 3, body: b"abc" })));
        assert_eq!(walk.rest().1, 108);
        assert_eq!(walk.next(), Some(Ok(Entry { address: 108, partition: 63, body: b"" })));
        assert_eq!(walk.next(), None);
    }

    #[test]
    fn a_frame_of_another_format_and_an_entry_cut_anywhere_are_refused() {
        assert_eq!(Walk::frame(&[9, 0], 5).err(), Some(Unreadable::Format { frame: 5, format: 9 }));
        let whole = entry(3, b"abc");
        for cut in 1..whole.len() {
            assert_eq!(Walk::entries(&whole[..cut], 5).collect::<Vec<_>>(), [Err(Unreadable::Entry(5))], "cut at {cut}");
        }
        assert_eq!(Walk::entries(&entry(PARTITIONS as u16, b"abc"), 5).next(), Some(Err(Unreadable::Entry(5))));
    }
}
