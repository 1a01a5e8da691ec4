//! The log as its one writer has it: open, commit, roll, remove.

use std::{fs, path::Path, path::PathBuf, sync::Arc};

use crate::{
    chain::Chain,
    error::{CommitError, OpenError, RemoveError, is_full},
    format::{FRAME_HEADER_BYTES, FrameHeader, LogId, SegmentHeader},
    open::{self, now_ms},
    options::{LogOptions, SyncMode},
    reader::LogReader,
    segment::Segment,
    writer::{Fault, SegmentWriter, sync_dir},
};

/// An append-only log in a folder of its own, open for writing.
///
/// The folder must have no other writer: hold a [`DirectoryLock`](crate::DirectoryLock).
#[derive(Debug)]
pub struct Log {
    pub(crate) chain: Arc<Chain>,
    pub(crate) options: LogOptions,
    writer: SegmentWriter,
    poisoned: bool,
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Names the log for its whole life.
    pub log_id: LogId,
    /// Address of the oldest segment.
    pub start: u64,
    /// Address just after the last frame.
    pub end: u64,
    /// Bytes of an unfinished commit that were cut off, without the zeros after them.
    pub cut_bytes: u64,
}

/// A frame that is durable now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Address of the first byte of the payload. Any byte of it is found by [`LogReader::read_at`].
    pub address_of_payload: u64,
    /// Address just after the frame, where the next one will stand unless it begins a new segment.
    pub end: u64,
}

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The file.
    pub path: PathBuf,
    /// Address of its first byte.
    pub base: u64,
    /// Address just after its last frame.
    pub end: u64,
    /// Finished: nothing is appended to it any more.
    pub sealed: bool,
    /// When it was begun, Unix ms.
    pub created_ms: i64,
}

impl Log {
    /// Opens the log in `dir`, or begins one.
    ///
    /// Reads the newest segment only, so it is quick however long the log is; [`verify`](crate::verify) reads all.
    /// A commit that was cut short by a crash is cut off. A commit that was written whole, but whose sync the process
    /// did not live to see, may be there although it was never acknowledged; it is made durable here.
    pub fn open(dir: impl AsRef<Path>, options: LogOptions) -> Result<(Self, Opened), OpenError> {
        if options.sync == SyncMode::Never {
            tracing::warn!(
                dir = %dir.as_ref().display(),
                "THIS LOG DOES NOT SYNC: a power cut loses commits that were acknowledged; only for tests"
            );
        }
        let found = open::open(dir.as_ref(), &options)?;
        let chain = Arc::new(found.chain);
        let opened = Opened { log_id: chain.log_id, start: chain.start(), end: chain.end(), cut_bytes: found.cut_bytes };
        Ok((Self { chain, options, writer: found.writer, poisoned: false }, opened))
    }

    /// Appends the parts, one after the other, as the payload of one frame, and returns when it is durable.
    ///
    /// Blocks for one `fdatasync`, and for three when it begins a new segment. After [`CommitError::Full`] and
    /// [`CommitError::TooLarge`] the log is as it was before. After a failed sync nobody knows what the disk holds,
    /// so every later commit is [`CommitError::Poisoned`]: a second sync may report success and mean nothing.
    pub fn commit(&mut self, parts: &[&[u8]]) -> Result<Committed, CommitError> {
        self.check_usable()?;
        let length = self.checked_length(parts)?;
        if self.writer.is_full_for(FRAME_HEADER_BYTES + u64::from(length)) {
            // An empty segment stays, so a frame larger than a segment gets one of its own.
            self.roll()?;
        }
        let start = self.writer.end();
        let mut payload_crc = crc32fast::Hasher::new();
        for part in parts {
            payload_crc.update(part);
        }
        let header =
            FrameHeader { length, committed_at_ms: now_ms(), payload_crc: payload_crc.finalize() }.encode(self.chain.log_id, start);
        self.writer.append(&header, parts).map_err(|fault| self.failed(fault))?;
        self.chain.newest().frames.note(start);
        self.chain.publish(self.writer.end());
        Ok(Committed { address_of_payload: start + FRAME_HEADER_BYTES, end: self.writer.end() })
    }

    /// Finishes the newest segment and begins another. Does nothing while the newest is empty.
    pub fn roll(&mut self) -> Result<(), CommitError> {
        self.check_usable()?;
        if self.writer.is_empty() {
            return Ok(());
        }
        let header =
            SegmentHeader { kind: self.options.kind, log_id: self.chain.log_id, base: self.writer.end(), created_ms: now_ms() };
        let next = SegmentWriter::create(&self.chain.dir, &header, &self.options).map_err(|fault| self.failed(fault))?;
        self.writer.finish();
        let segment = Arc::new(Segment::new(header.base, next.path.clone(), header.created_ms));
        self.chain.change(|segments| segments.push(segment));
        self.chain.publish(next.end());
        self.writer = next;
        tracing::debug!(segment = %self.writer.path.display(), "began a new segment");
        Ok(())
    }

    /// Whether a failure of the disk has stopped this log for good; opening it again may help.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// A reader that sees each commit as soon as it is durable.
    pub fn reader(&self) -> LogReader {
        LogReader::of_writer(Arc::clone(&self.chain))
    }

    /// Address just after the last frame.
    pub fn end(&self) -> u64 {
        self.writer.end()
    }

    /// All segments, oldest first. The last one is not finished.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.reader().segments()
    }

    /// Bytes of all segments together, headers included, without what is reserved ahead.
    pub fn bytes(&self) -> u64 {
        self.chain.end() - self.chain.start()
    }

    /// Removes finished segments that end at or before `address`, oldest first, and returns the bytes freed.
    ///
    /// A reader at a removed address gets [`ReadError::Gone`](crate::ReadError::Gone) at its next call; bytes it was
    /// handed stay valid. After a crash some of the segments may be there again, never a later one without an earlier.
    pub fn remove_before(&mut self, address: u64) -> Result<u64, RemoveError> {
        let mut freed = 0;
        for segment in self.segments() {
            if !segment.sealed || segment.end > address {
                break;
            }
            fs::remove_file(&segment.path).map_err(|source| RemoveError { path: segment.path.clone(), source })?;
            self.chain.change(|segments| {
                segments.remove(0);
            });
            freed += segment.end - segment.base;
            if self.options.sync == SyncMode::Durable {
                // Each removal before the next, so that a crash never leaves a gap.
                let dir = &self.chain.dir;
                sync_dir(dir).map_err(|source| RemoveError { path: dir.clone(), source })?;
            }
        }
        Ok(freed)
    }

    fn check_usable(&self) -> Result<(), CommitError> {
        if self.poisoned { Err(CommitError::Poisoned) } else { Ok(()) }
    }

    fn checked_length(&self, parts: &[&[u8]]) -> Result<u32, CommitError> {
        let limit = self.options.max_frame_bytes;
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        match u32::try_from(bytes) {
            Ok(length) if length <= limit => Ok(length),
            Ok(_) | Err(_) => Err(CommitError::TooLarge { bytes, limit }),
        }
    }

    fn failed(&mut self, fault: Fault) -> CommitError {
        let Fault { action, path, source, in_doubt } = fault;
        self.poisoned |= in_doubt;
        if !in_doubt && is_full(&source) {
            CommitError::Full { path, source }
        } else {
            CommitError::Failed { action, path, source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small_disk::SmallDisk;

    fn log_on_device(dir: &tempfile::TempDir, device: &str, sync: SyncMode) -> Log {
        let (mut log, _) = Log::open(dir.path(), LogOptions { sync, ..LogOptions::new(*b"TEST") }).expect("open");
        log.commit(&[b"on the disk"]).expect("commit");
        log.writer.write_to_device(device);
        log
    }

    #[test]
    fn after_a_failed_sync_nothing_is_published_and_nothing_is_tried_again() {
        let dir = tempfile::tempdir().expect("temporary folder");
        // Takes every write, and cannot be synced.
        let mut log = log_on_device(&dir, "/dev/null", SyncMode::Durable);
        let end = log.reader().end();
        let failed = log.commit(&[b"lost"]);
        assert!(matches!(failed, Err(CommitError::Failed { action: "sync segment", .. })), "{failed:?}");
        assert!(log.is_poisoned());
        assert!(matches!(log.commit(&[b"again"]), Err(CommitError::Poisoned)));
        assert!(matches!(log.roll(), Err(CommitError::Poisoned)));
        assert_eq!(log.reader().end(), end);
    }

    #[test]
    fn the_mode_without_sync_really_does_not_sync() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut log = log_on_device(&dir, "/dev/null", SyncMode::Never);
        log.commit(&[b"lost, and nobody is told"]).expect("a device that cannot be synced is not asked to");
    }

    #[test]
    fn a_write_that_cannot_be_taken_back_poisons() {
        let dir = tempfile::tempdir().expect("temporary folder");
        // Refuses every write for want of space, and cannot be truncated.
        let mut log = log_on_device(&dir, "/dev/full", SyncMode::Durable);
        assert!(matches!(log.commit(&[b"lost"]), Err(CommitError::Failed { action: "write segment", .. })));
        assert!(matches!(log.commit(&[b"again"]), Err(CommitError::Poisoned)));
    }

    /// Without reservation the disk fills in the middle of a frame.
    #[test]
    fn half_a_frame_on_a_full_disk_is_taken_back() {
        let Some(disk) = SmallDisk::of("1m") else { return };
        let options = || LogOptions { max_frame_bytes: 1 << 20, ..LogOptions::new(*b"TEST") };
        let path = disk.path().join("log");
        let (mut log, _) = Log::open(&path, options()).expect("open");
        let segment = log.writer.path.clone();
        log.writer.write_to_device(segment.to_str().expect("the path is text"));
        log.writer.finish();
        let large = vec![1; 300_000];
        while log.commit(&[&large]).is_ok() {}
        let refused = log.commit(&[&large]);
        assert!(matches!(refused, Err(CommitError::Full { .. })), "{refused:?}");
        assert!(!log.is_poisoned());
        let length = fs::metadata(&segment).expect("metadata").len();
        assert_eq!(length, log.end(), "the file ends with a whole frame");
        log.commit(&[b"a small one fits"]).expect("commit");
        let end = log.end();
        drop(log);
        let (_, opened) = Log::open(&path, options()).expect("open");
        assert_eq!((opened.end, opened.cut_bytes), (end, 0));
    }
}
