//! Walks through a segment frame by frame, and tells a torn tail from damage.

use std::io;

use crate::{
    format::{FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader},
    frame_buffer::{Extent, FrameBuffer},
};

/// How much a search reads at once.
const STEP_BYTES: u64 = 1 << 20;

/// What a walk through a segment found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Address just after the last valid frame of the unbroken row.
    pub(crate) end: u64,
    /// Address at which the last of them starts.
    pub(crate) last_frame: Option<u64>,
    pub(crate) tail: Tail,
}

/// What comes after the last valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing, the file ends.
    Clean,
    /// The rest of a frame that was being written, up to its last byte that is not zero; it was never acknowledged.
    Torn { bytes: u64 },
    /// Another frame comes later, so a synced one has changed.
    Damaged,
}

/// Walks from the frame at `from` to the limit of the extent, telling `on_frame` where each one starts.
pub(crate) fn scan(extent: &Extent<'_>, from: u64, mut on_frame: impl FnMut(u64)) -> io::Result<Scan> {
    let mut buffer = FrameBuffer::default();
    let mut scan = Scan { end: from, last_frame: None, tail: Tail::Clean };
    while let Some(header) = buffer.load(extent, scan.end)? {
        on_frame(scan.end);
        scan.last_frame = Some(scan.end);
        scan.end += header.frame_bytes();
    }
    if scan.end < extent.limit {
        scan.tail = judge(extent, scan.end)?;
    }
    Ok(scan)
}

/// A frame is written only after the one before it was synced. So what follows an invalid frame decides.
fn judge(extent: &Extent<'_>, invalid: u64) -> io::Result<Tail> {
    let mut first = [0];
    extent.read_at(invalid, &mut first)?;
    let rest = search(extent, invalid + 1)?;
    Ok(match rest.frame {
        Some(_) => Tail::Damaged,
        None => Tail::Torn { bytes: rest.written_to.max(invalid + u64::from(first != [0])) - invalid },
    })
}

/// What a search for a frame found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Search {
    /// Address of the first frame.
    pub(crate) frame: Option<u64>,
    /// Address just after the last byte that is not zero, if no frame was found.
    written_to: u64,
}

/// Looks at every address from `from` on for a frame. A valid header is proof enough: its CRC covers log and address,
/// and a frame whose header reached the disk was begun after the one before it was synced.
pub(crate) fn search(extent: &Extent<'_>, from: u64) -> io::Result<Search> {
    const OVERLAP_BYTES: usize = FRAME_HEADER_BYTES as usize - 1;

    let mut chunk = vec![0; extent.limit.saturating_sub(from).min(STEP_BYTES) as usize];
    let mut found = Search { frame: None, written_to: 0 };
    let mut address = from;
    loop {
        let read = extent.read_at(address, &mut chunk)?;
        let chunk = &chunk[..read];
        if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
            found.written_to = address + last as u64 + 1;
        }
        let is_frame = |at: &usize| FrameHeader::decode(&chunk[*at..], extent.log_id, address + *at as u64).is_some();
        found.frame = places_of_magic(chunk).find(is_frame).map(|at| address + at as u64);
        if found.frame.is_some() || read <= OVERLAP_BYTES || address + read as u64 >= extent.limit {
            return Ok(found);
        }
        address += (read - OVERLAP_BYTES) as u64;
    }
}

fn places_of_magic(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut next = 0;
    std::iter::from_fn(move || {
        while let Some(ahead) = bytes[next..].iter().position(|byte| *byte == FRAME_MAGIC[0]) {
            let at = next + ahead;
            next = at + 1;
            if bytes[at..].starts_with(&FRAME_MAGIC) {
                return Some(at);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::format::LogId;

    #[test]
    fn a_frame_is_found_wherever_it_lies_between_two_reads() {
        const LOG: LogId = LogId::from_bytes([7; 16]);
        const FROM: u64 = 101;
        let header = FrameHeader { length: 0, committed_at_ms: 1, payload_crc: 0 };
        for frame in FROM + STEP_BYTES - 30..FROM + STEP_BYTES + 5 {
            let file = tempfile::tempfile().expect("temporary file");
            file.write_all_at(&header.encode(LOG, frame), frame).expect("write");
            let extent = Extent { file: &file, log_id: LOG, base: 0, limit: frame + FRAME_HEADER_BYTES };
            assert_eq!(search(&extent, FROM).expect("read").frame, Some(frame));
            assert_eq!(search(&extent, frame + 1).expect("read").frame, None);
        }
    }
}
