//! Reading by address, beside the writer or in another process.

use std::{fs::File, io, path::Path, sync::Arc};

use crate::{
    chain::{Chain, Place},
    cursor::FrameCursor,
    error::{Damage, OpenError, ReadError},
    format::{FRAME_HEADER_BYTES, FrameHeader, LogId},
    frame_buffer::Extent,
    listing::{self, Link, Listing},
    log::SegmentInfo,
    open,
    scan::{Scan, Tail},
    segment::Segment,
};

/// Reads a log. Cheap to clone, and may be used from several threads at once.
#[derive(Debug, Clone)]
pub struct LogReader {
    chain: Arc<Chain>,
    source: Source,
}

/// How a reader learns of new frames.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The writer in this process tells.
    Writer,
    /// The files are looked at again when asked.
    Files { kind: [u8; 4] },
}

impl LogReader {
    pub(crate) fn of_writer(chain: Arc<Chain>) -> Self {
        Self { chain, source: Source::Writer }
    }

    /// Opens a log that another process may be writing: takes no lock and writes nothing.
    ///
    /// It sees what is there now, and more after [`refresh`](Self::refresh). It may see a commit a moment before that
    /// is durable.
    pub fn open_read_only(dir: impl AsRef<Path>, kind: [u8; 4]) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let listing = read_listing(dir, kind)?;
        let Some(newest) = listing.links.last() else { return Err(OpenError::Absent { dir: dir.to_path_buf() }) };
        let segments: Vec<Arc<Segment>> = listing.links.iter().map(|link| Arc::new(Segment::from(link))).collect();
        let end = end_of(newest, &segments[segments.len() - 1], newest.first_frame())?;
        let chain = Chain::new(dir.to_path_buf(), newest.header.log_id, segments, end);
        Ok(Self { chain: Arc::new(chain), source: Source::Files { kind } })
    }

    /// Looks for frames and segments that were added, and segments that were removed, since the log was opened for
    /// reading only. Does nothing beside the writer, where readers see each commit at once.
    ///
    /// Of clones of one reader, one at a time should do this. What another process rewrites in a finished segment may
    /// be seen as it was until the log is opened again.
    pub fn refresh(&self) -> Result<(), OpenError> {
        let Source::Files { kind } = self.source else { return Ok(()) };
        let dir = &self.chain.dir;
        let listing = read_listing(dir, kind)?;
        let Some(newest) = listing.links.last() else { return Err(OpenError::Absent { dir: dir.clone() }) };
        if newest.header.log_id != self.chain.log_id {
            return Err(OpenError::OtherLog {
                path: newest.path.clone(),
                expected: self.chain.log_id,
                found: newest.header.log_id,
            });
        }
        let known = self.chain.snapshot();
        let segments: Vec<Arc<Segment>> = listing
            .links
            .iter()
            .map(|link| match known.binary_search_by_key(&link.header.base, |segment| segment.base) {
                Ok(at) => Arc::clone(&known[at]),
                Err(_) => Arc::new(Segment::from(link)),
            })
            .collect();
        let from = newest.first_frame().max(self.chain.end());
        let end = end_of(newest, &segments[segments.len() - 1], from)?;
        self.chain.change(|row| *row = segments);
        self.chain.publish(end);
        Ok(())
    }

    /// Address just after the last durable frame.
    pub fn end(&self) -> u64 {
        self.chain.end()
    }

    /// Address of the oldest segment.
    pub fn start(&self) -> u64 {
        self.chain.start()
    }

    /// Names the log for its whole life.
    pub fn log_id(&self) -> LogId {
        self.chain.log_id
    }

    /// All segments, oldest first. The last one is not finished.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let end = self.chain.end();
        let row = self.chain.snapshot();
        let ends = row.iter().skip(1).map(|next| (next.base, true)).chain([(end, false)]);
        row.iter()
            .zip(ends)
            .map(|(segment, (end, sealed))| SegmentInfo {
                path: segment.path.clone(),
                base: segment.base,
                end,
                sealed,
                created_ms: segment.created_ms,
            })
            .collect()
    }

    /// Reads frames one after the other, beginning with the one at `address`: the start of a frame, of a segment, or
    /// the end of the log. Any address before the oldest segment begins there.
    ///
    /// For an address within a frame ask [`seek_frame`](Self::seek_frame) first.
    pub fn frames_from(&self, address: u64) -> FrameCursor {
        FrameCursor::new(Arc::clone(&self.chain), address.max(self.start()))
    }

    /// Start of the frame that contains `address`, or of the first frame after it; the end of the log if there is none.
    ///
    /// Reads headers only, beginning at the nearest frame it knows. Frames that were written, scanned or passed
    /// before are known about every 256 KiB.
    pub fn seek_frame(&self, address: u64) -> Result<u64, ReadError> {
        let end = self.end();
        if address >= end {
            return Ok(end);
        }
        let place = self.chain.locate(address.max(self.start()))?;
        let known = place.segment.frames.at_or_before(address).unwrap_or(place.first_frame());
        hop_to(&place, known, address)
    }

    /// Copies bytes from `address` on, and returns how many: fewer than asked for at the end of a segment or of the
    /// log, none at the end of the log. The bytes are as they lie on disk, frame headers among them, and unchecked.
    pub fn read_at(&self, address: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if address >= self.end() {
            return Ok(0);
        }
        let place = self.chain.locate(address)?;
        place.extent().read_at(address, buffer).map_err(|source| ReadError::Failed { path: place.segment.path.clone(), source })
    }
}

/// Goes from the frame at `frame`, header by header, to the first one that ends after `address`.
fn hop_to(place: &Place, mut frame: u64, address: u64) -> Result<u64, ReadError> {
    let extent = place.extent();
    let mut headers = HeaderWindow::default();
    while frame < place.limit {
        let read = headers.read(&extent, frame);
        let header = read.map_err(|source| ReadError::Failed { path: place.segment.path.clone(), source })?;
        let Some(header) = header else {
            let offset = frame - place.segment.base;
            return Err(ReadError::Corrupt { path: place.segment.path.clone(), offset, damage: Damage::Frame });
        };
        place.segment.frames.note(frame);
        if frame + header.frame_bytes() > address {
            break;
        }
        frame += header.frame_bytes();
    }
    Ok(frame)
}

/// A few kilobytes of a segment, so that the headers of small frames come several with one read.
struct HeaderWindow {
    bytes: [u8; 4096],
    start: u64,
    filled: usize,
}

impl Default for HeaderWindow {
    fn default() -> Self {
        Self { bytes: [0; 4096], start: 0, filled: 0 }
    }
}

impl HeaderWindow {
    fn read(&mut self, extent: &Extent<'_>, frame: u64) -> io::Result<Option<FrameHeader>> {
        if frame < self.start || frame + FRAME_HEADER_BYTES > self.start + self.filled as u64 {
            self.start = frame;
            self.filled = extent.read_at(frame, &mut self.bytes)?;
        }
        let at = (frame - self.start) as usize;
        Ok(FrameHeader::decode(&self.bytes[at..self.filled], extent.log_id, frame))
    }
}

/// Lists a folder that changes meanwhile: what looks like a gap may be a segment that was removed between two looks.
fn read_listing(dir: &Path, kind: [u8; 4]) -> Result<Listing, OpenError> {
    const LOOKS: usize = 3;
    let mut listing = listing::read(dir, kind);
    for _ in 1..LOOKS {
        if listing.is_ok() {
            break;
        }
        listing = listing::read(dir, kind);
    }
    listing
}

/// Address just after the last valid frame at or after `from`.
fn end_of(link: &Link, segment: &Segment, from: u64) -> Result<u64, OpenError> {
    let file = File::open(&link.path).map_err(OpenError::failed("open", &link.path))?;
    let look = |from| -> Result<Scan, OpenError> { open::scan_segment(&file, link, segment, from) };
    let first = look(from)?;
    match first.tail {
        Tail::Clean | Tail::Torn { .. } => Ok(first.end),
        // The bad frame may have been in the middle of being written. A frame after it says that this is over.
        Tail::Damaged => match look(first.end)? {
            Scan { end, tail: Tail::Damaged, .. } => Err(open::damaged_frame(link, end)),
            Scan { end, tail: Tail::Clean | Tail::Torn { .. }, .. } => Ok(end),
        },
    }
}
