//! The row of segments and the durable end, shared by the writer and all readers of one log.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    error::ReadError,
    format::{LogId, SEGMENT_HEADER_BYTES},
    frame_buffer::Extent,
    listing,
    segment::Segment,
};

/// How many segment files are held open for reading. At 64 MiB each that is a log of 16 GiB without a reopening, and
/// stays well below the 1024 files that a process may usually have open. Beyond it the one opened first is closed.
const MAX_OPEN_FILES: usize = 256;

#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) dir: PathBuf,
    pub(crate) log_id: LogId,
    /// Oldest first, without a gap, never empty.
    segments: RwLock<Vec<Arc<Segment>>>,
    end: AtomicU64,
    opened: Mutex<VecDeque<Weak<Segment>>>,
}

/// The segment that holds an address, and up to where it may be read.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<File>,
    log_id: LogId,
    /// End of the segment, or the durable end if that comes first.
    pub(crate) limit: u64,
}

impl Place {
    /// Address of the segment's first frame.
    pub(crate) fn first_frame(&self) -> u64 {
        self.segment.base + SEGMENT_HEADER_BYTES
    }

    pub(crate) fn extent(&self) -> Extent<'_> {
        Extent { file: &self.file, log_id: self.log_id, base: self.segment.base, limit: self.limit }
    }
}

impl Chain {
    /// `segments` holds at least one.
    pub(crate) fn new(dir: PathBuf, log_id: LogId, segments: Vec<Arc<Segment>>, end: u64) -> Self {
        debug_assert!(!segments.is_empty(), "a log has at least one segment");
        Self { dir, log_id, segments: RwLock::new(segments), end: AtomicU64::new(end), opened: Mutex::new(VecDeque::new()) }
    }

    /// Address just after the last durable frame.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Makes everything before `end` visible. The bytes must be durable.
    pub(crate) fn publish(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Address of the oldest segment.
    pub(crate) fn start(&self) -> u64 {
        self.with_segments(|segments| segments[0].base)
    }

    /// The segments as they are now, oldest first.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Segment>> {
        self.with_segments(<[_]>::to_vec)
    }

    pub(crate) fn newest(&self) -> Arc<Segment> {
        self.with_segments(|segments| Arc::clone(&segments[segments.len() - 1]))
    }

    /// Adds, removes or replaces segments. Those who read meanwhile see the row before or after.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut segments);
        debug_assert!(!segments.is_empty(), "a log keeps at least one segment");
    }

    /// The segment that holds `address`; one that is just the end of a segment belongs to the next.
    pub(crate) fn locate(&self, address: u64) -> Result<Place, ReadError> {
        // The end first: the segments read after it reach at least as far.
        let end = self.end();
        let (segment, limit) = self.with_segments(|segments| {
            let next = segments.partition_point(|segment| segment.base <= address);
            let at = next.checked_sub(1).ok_or(ReadError::Gone { earliest: segments[0].base })?;
            let segment_end = segments.get(next).map_or(u64::MAX, |segment| segment.base);
            Ok((Arc::clone(&segments[at]), segment_end.min(end)))
        })?;
        if address > end && address > segment.base {
            return Err(ReadError::BeyondEnd { address, end });
        }
        let file = self.file(&segment)?;
        Ok(Place { segment, file, log_id: self.log_id, limit })
    }

    fn file(&self, segment: &Arc<Segment>) -> Result<Arc<File>, ReadError> {
        let (file, opened) = segment.file().map_err(|source| self.unreadable(segment, source))?;
        if opened {
            let mut order = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            order.push_back(Arc::downgrade(segment));
            if order.len() > MAX_OPEN_FILES {
                let first = order.pop_front();
                drop(order);
                if let Some(segment) = first.as_ref().and_then(Weak::upgrade) {
                    segment.close();
                }
            }
        }
        Ok(file)
    }

    /// A file that is not there any more was removed by retention, here or by the process that writes the log.
    fn unreadable(&self, segment: &Segment, source: io::Error) -> ReadError {
        if source.kind() == io::ErrorKind::NotFound
            && let Ok(files) = listing::segment_files(&self.dir)
            && let Some((earliest, _)) = files.first()
            && *earliest > segment.base
        {
            return ReadError::Gone { earliest: *earliest };
        }
        ReadError::Failed { path: segment.path.clone(), source }
    }

    fn with_segments<T>(&self, look: impl FnOnce(&[Arc<Segment>]) -> T) -> T {
        look(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }
}
