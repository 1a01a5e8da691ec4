//! Reads a whole log and says what is wrong with it, without changing it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::{
    cursor::Frame,
    error::{Damage, OpenError},
    format::{FORMAT_VERSION, FRAME_HEADER_BYTES, HeaderFault, LogId, SEGMENT_HEADER_BYTES, SegmentHeader},
    frame_buffer::{Extent, FrameBuffer},
    listing,
    scan::search,
};

/// What [`verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Segment files looked at.
    pub segments: u64,
    /// Valid frames.
    pub frames: u64,
    /// Bytes of valid frames, headers included.
    pub frame_bytes: u64,
    /// Everything that is wrong, in the order of addresses. Empty: the log is sound.
    pub damages: Vec<FoundDamage>,
    /// Bytes at the end that are no frame, with no frame after them: a commit in progress, or one that a crash cut
    /// short and the next opening will cut off.
    pub unfinished_bytes: u64,
}

/// One damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDamage {
    /// The segment file.
    pub path: PathBuf,
    /// Offset in that file.
    pub offset: u64,
    /// Bytes up to the next valid frame, or to the end of the segment.
    pub bytes: u64,
    /// What is wrong.
    pub damage: Damage,
}

/// Checks every frame of the log in `dir`, and shows the valid ones, in order, to `on_frame`.
///
/// Works beside a running writer. After a damaged place it goes on with the next valid frame.
pub fn verify(dir: impl AsRef<Path>, kind: [u8; 4], on_frame: &mut dyn FnMut(Frame<'_>)) -> Result<Verification, OpenError> {
    let dir = dir.as_ref();
    let files = listing::segment_files(dir).map_err(OpenError::failed("list", dir))?;
    if files.is_empty() {
        return Err(OpenError::Absent { dir: dir.to_path_buf() });
    }
    let mut walk = Walk { kind, log_id: None, found: Verification::default(), on_frame };
    for (ordinal, (base, path)) in files.iter().enumerate() {
        let next = files.get(ordinal + 1).map(|(base, _)| *base);
        walk.segment(*base, path, next)?;
    }
    Ok(walk.found)
}

fn open_segment(path: &Path) -> io::Result<(File, Result<SegmentHeader, HeaderFault>, u64)> {
    let file = File::open(path)?;
    let (header, length) = listing::read_header(path)?;
    Ok((file, header, length))
}

struct Walk<'a> {
    kind: [u8; 4],
    /// From the first header that can be read. It makes the frames of a segment with a damaged header readable.
    log_id: Option<LogId>,
    found: Verification,
    on_frame: &'a mut dyn FnMut(Frame<'_>),
}

impl Walk<'_> {
    fn segment(&mut self, base: u64, path: &Path, next: Option<u64>) -> Result<(), OpenError> {
        let failed = |action| OpenError::failed(action, path);
        let (file, header, length) = match open_segment(path) {
            // Removed by retention since the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(failed("read"))?,
        };
        let is_oldest = self.found.segments == 0;
        self.found.segments += 1;
        match header {
            Ok(header) if header.kind != self.kind => {
                return Err(OpenError::OtherKind { path: path.to_path_buf(), expected: self.kind, found: header.kind });
            }
            Ok(header) if header.base == base => {
                let expected = *self.log_id.get_or_insert(header.log_id);
                if expected != header.log_id {
                    return Err(OpenError::OtherLog { path: path.to_path_buf(), expected, found: header.log_id });
                }
            }
            Err(HeaderFault::NewerFormat(found)) => {
                return Err(OpenError::NewerFormat { path: path.to_path_buf(), found, supported: FORMAT_VERSION });
            }
            Err(HeaderFault::Damaged) if next.is_none() && listing::may_be_half_created(is_oldest, base, length) => {
                self.found.unfinished_bytes = length;
            }
            Ok(_) | Err(HeaderFault::Damaged) => {
                self.note(path, 0, length.min(SEGMENT_HEADER_BYTES), Damage::SegmentHeader);
            }
        }
        let end = next.unwrap_or(base + length);
        if let Some(log_id) = self.log_id {
            let limit = end.min(base + length);
            self.frames(&Extent { file: &file, log_id, base, limit }, path, next.is_some()).map_err(failed("read"))?;
        }
        if base + length < end {
            self.note(path, length, end - base - length, Damage::EndsEarly);
        } else if base + length > end {
            self.note(path, end - base, base + length - end, Damage::EndsLate);
        }
        Ok(())
    }

    fn frames(&mut self, extent: &Extent<'_>, path: &Path, sealed: bool) -> io::Result<()> {
        let mut buffer = FrameBuffer::default();
        let mut address = extent.base + SEGMENT_HEADER_BYTES;
        while address < extent.limit {
            if let Some(header) = buffer.load(extent, address)? {
                self.found.frames += 1;
                self.found.frame_bytes += header.frame_bytes();
                (self.on_frame)(Frame {
                    address_of_payload: address + FRAME_HEADER_BYTES,
                    payload: buffer.payload(address, &header),
                    committed_at_ms: header.committed_at_ms,
                });
                address += header.frame_bytes();
                continue;
            }
            let next = search(extent, address + 1)?.frame;
            let bytes = next.unwrap_or(extent.limit) - address;
            if next.is_some() || sealed {
                self.note(path, address - extent.base, bytes, Damage::Frame);
            } else {
                self.found.unfinished_bytes = bytes;
            }
            address += bytes;
        }
        Ok(())
    }

    fn note(&mut self, path: &Path, offset: u64, bytes: u64, damage: Damage) {
        self.found.damages.push(FoundDamage { path: path.to_path_buf(), offset, bytes, damage });
    }
}
