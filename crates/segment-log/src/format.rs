//! The bytes on disk, format version 1. Numbers are little-endian. `golden/` holds one log that every later version reads.
//!
//! A log is a folder of files `{base:020}.seg`. The byte at offset `o` of the segment with base `b` has the address
//! `b + o`; the next segment's base is the address just after this segment's last byte, headers included.
//!
//! ```text
//! segment header, 64 bytes                        frame header, 24 bytes, then the payload
//!  0  8  magic "FWSEGLOG"                           0  4  magic fb 46 57 f5
//!  8  2  format version, 1                          4  4  payload length
//! 10  2  zero                                       8  8  commit time, Unix ms
//! 12  4  kind of log                               16  4  CRC-32 of the payload
//! 16 16  log id, the same in all segments          20  4  CRC-32 of log id, frame address (8), bytes 0..20
//! 32  8  base address
//! 40  8  time of creation, Unix ms
//! 48 12  zero
//! 60  4  CRC-32 of bytes 0..60
//! ```
//!
//! The header has a CRC of its own, so that a length can be trusted, and frames skipped, without reading payloads.
//! Log id and address are in that CRC, so that a frame is valid in its own place only: what a device sends can never
//! pass for a frame, and neither can bytes left over from another file.

use std::fmt;

/// Length of the header that starts each segment file.
pub const SEGMENT_HEADER_BYTES: u64 = 64;
/// Length of the header before each payload.
pub const FRAME_HEADER_BYTES: u64 = 24;
/// The format version this program writes, and the newest it reads.
pub const FORMAT_VERSION: u16 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"FWSEGLOG";
/// The first byte occurs in no UTF-8 text, so that a search through damaged text is quick.
pub(crate) const FRAME_MAGIC: [u8; 4] = [0xFB, b'F', b'W', 0xF5];

/// Names one log for its whole life: drawn at random when its first segment is made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId([u8; 16]);

impl LogId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in each segment.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

/// What the first 64 bytes of a segment say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) kind: [u8; 4],
    pub(crate) log_id: LogId,
    pub(crate) base: u64,
    pub(crate) created_ms: i64,
}

/// Why the first bytes of a file are not a segment header that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Damaged,
    NewerFormat(u16),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES as usize] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.kind);
        bytes[16..32].copy_from_slice(&self.log_id.0);
        bytes[32..40].copy_from_slice(&self.base.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created_ms.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        if bytes.len() < SEGMENT_HEADER_BYTES as usize || bytes[0..8] != SEGMENT_MAGIC {
            return Err(HeaderFault::Damaged);
        }
        // The version comes before the CRC: a newer format may keep its CRC elsewhere.
        let version = u16::from_le_bytes(array(bytes, 8));
        if version > FORMAT_VERSION {
            return Err(HeaderFault::NewerFormat(version));
        }
        if version != FORMAT_VERSION || crc32fast::hash(&bytes[..60]) != u32::from_le_bytes(array(bytes, 60)) {
            return Err(HeaderFault::Damaged);
        }
        Ok(Self {
            kind: array(bytes, 12),
            log_id: LogId(array(bytes, 16)),
            base: u64::from_le_bytes(array(bytes, 32)),
            created_ms: i64::from_le_bytes(array(bytes, 40)),
        })
    }
}

/// What the 24 bytes before a payload say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) committed_at_ms: i64,
    pub(crate) payload_crc: u32,
}

impl FrameHeader {
    /// Header bytes of a frame that starts at `address`.
    pub(crate) fn encode(&self, log_id: LogId, address: u64) -> [u8; FRAME_HEADER_BYTES as usize] {
        let mut bytes = [0; FRAME_HEADER_BYTES as usize];
        bytes[0..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.committed_at_ms.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = header_crc(log_id, address, &bytes[..20]);
        bytes[20..24].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header of the frame that starts at `address`, or `None` when no frame was ever written there.
    pub(crate) fn decode(bytes: &[u8], log_id: LogId, address: u64) -> Option<Self> {
        if bytes.len() < FRAME_HEADER_BYTES as usize || bytes[0..4] != FRAME_MAGIC {
            return None;
        }
        if header_crc(log_id, address, &bytes[..20]) != u32::from_le_bytes(array(bytes, 20)) {
            return None;
        }
        Some(Self {
            length: u32::from_le_bytes(array(bytes, 4)),
            committed_at_ms: i64::from_le_bytes(array(bytes, 8)),
            payload_crc: u32::from_le_bytes(array(bytes, 16)),
        })
    }

    /// Length of the whole frame, header and payload.
    pub(crate) fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES + u64::from(self.length)
    }
}

fn header_crc(log_id: LogId, address: u64, fields: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&log_id.0);
    crc.update(&address.to_le_bytes());
    crc.update(fields);
    crc.finalize()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice was taken with exactly this length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId(*b"a fixed log id 1");

    /// One segment with three frames, all values fixed: what `golden/` holds.
    fn golden_segment() -> Vec<u8> {
        let header = SegmentHeader { kind: *b"TEST", log_id: LOG, base: 0, created_ms: 1_767_225_600_000 };
        let mut file = header.encode().to_vec();
        let payloads: [&[u8]; 3] = [b"first commit", b"", b"\x00\xff third commit"];
        for (ordinal, payload) in payloads.into_iter().enumerate() {
            let header = FrameHeader {
                length: payload.len() as u32,
                committed_at_ms: 1_767_225_600_001 + ordinal as i64,
                payload_crc: crc32fast::hash(payload),
            };
            let address = file.len() as u64;
            file.extend(header.encode(LOG, address));
            file.extend(payload);
        }
        file
    }

    #[test]
    fn version_1_is_written_byte_for_byte_as_the_golden_file() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/00000000000000000000.seg");
        if std::env::var_os("WRITE_GOLDEN").is_some() {
            std::fs::write(path, golden_segment()).expect("write the golden file");
        }
        assert_eq!(std::fs::read(path).expect("read the golden file"), golden_segment());
    }

    #[test]
    fn a_frame_is_valid_in_its_own_log_and_place_only() {
        let header = FrameHeader { length: 7, committed_at_ms: 1, payload_crc: 9 };
        let bytes = header.encode(LOG, 64);
        assert_eq!(FrameHeader::decode(&bytes, LOG, 64), Some(header));
        assert_eq!(FrameHeader::decode(&bytes, LOG, 65), None);
        assert_eq!(FrameHeader::decode(&bytes, LogId([0; 16]), 64), None);
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_noticed() {
        let frame = FrameHeader { length: 7, committed_at_ms: 1, payload_crc: 9 }.encode(LOG, 64);
        for bit in 0..frame.len() * 8 {
            let mut bytes = frame;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&bytes, LOG, 64), None, "bit {bit}");
        }
        let segment = SegmentHeader { kind: *b"TEST", log_id: LOG, base: 5, created_ms: 6 }.encode();
        for bit in 0..segment.len() * 8 {
            let mut bytes = segment;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
        }
    }
}
