//! What each operation can answer other than success. The variants are the choices its caller has.

use std::{fmt, io, path::PathBuf};

use crate::format::LogId;

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Bytes that had reached the disk have changed: stop and let a person look. Nothing was cut.
    #[error("segment {} is damaged at byte {offset}: {damage}", path.display())]
    Corrupt {
        /// The segment file.
        path: PathBuf,
        /// Offset in that file.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// Written by a newer program: run that one.
    #[error("segment {} has format version {found}, this program reads up to {supported}", path.display())]
    NewerFormat {
        /// The segment file.
        path: PathBuf,
        /// The version it has.
        found: u16,
        /// The newest version this program reads.
        supported: u16,
    },
    /// The folder holds a log of another kind.
    #[error("segment {} is of kind {:?}, expected {:?}", path.display(), found.escape_ascii().to_string(), expected.escape_ascii().to_string())]
    OtherKind {
        /// The segment file.
        path: PathBuf,
        /// The kind asked for.
        expected: [u8; 4],
        /// The kind found.
        found: [u8; 4],
    },
    /// Segments of two logs lie in one folder.
    #[error("segment {} belongs to log {found}, the segments before it to {expected}", path.display())]
    OtherLog {
        /// The segment file.
        path: PathBuf,
        /// The id in the segments before it.
        expected: LogId,
        /// The id in this one.
        found: LogId,
    },
    /// Opened for reading only, and there is no log.
    #[error("there is no log in {}", dir.display())]
    Absent {
        /// The folder.
        dir: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Failed {
        /// What was tried, as a verb.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn failed(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Failed { action, path, source }
    }
}

/// Why a commit did not happen.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No space left. The log is as it was before; try again when there is space.
    #[error("no space left for segment {}", path.display())]
    Full {
        /// The segment file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The payload is longer than this log allows: it can never be committed.
    #[error("a commit of {bytes} bytes is larger than the {limit} this log allows")]
    TooLarge {
        /// Length of the payload.
        bytes: u64,
        /// `max_frame_bytes` of the log.
        limit: u32,
    },
    /// The system refused. Ask [`Log::is_poisoned`](crate::Log::is_poisoned) whether the log can go on.
    #[error("cannot {action} {}", path.display())]
    Failed {
        /// What was tried, as a verb.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier sync failed, so what the disk holds is not known. Only opening the log again finds out.
    #[error("the log stopped at an earlier failure of its disk")]
    Poisoned,
}

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Retention has removed the segment.
    #[error("the log now begins at address {earliest}")]
    Gone {
        /// Address where the log begins now.
        earliest: u64,
    },
    /// The address lies beyond the durable end: it is of another log, or the log has lost its newest part.
    #[error("address {address} is beyond the end of the log at {end}")]
    BeyondEnd {
        /// The address asked for.
        address: u64,
        /// The durable end.
        end: u64,
    },
    /// No valid frame stands where one must be: the bytes have changed, or the address is not that of a frame.
    #[error("segment {} is damaged at byte {offset}: {damage}", path.display())]
    Corrupt {
        /// The segment file.
        path: PathBuf,
        /// Offset in that file.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// The system refused.
    #[error("cannot read segment {}", path.display())]
    Failed {
        /// The segment file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why old segments could not be removed. Those before `path` are gone.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove segment {}", path.display())]
pub struct RemoveError {
    /// The first segment that is still there, or the folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Why a segment was not rewritten. Unless it says otherwise, the old content stands.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// No finished segment has this base.
    #[error("no finished segment begins at address {base}")]
    NotSealed {
        /// The base asked for.
        base: u64,
    },
    /// A frame of the segment is damaged.
    #[error("cannot read the segment to rewrite")]
    Unreadable(#[from] ReadError),
    /// No space left for the copy.
    #[error("no space left for a copy of segment {}", path.display())]
    Full {
        /// The segment file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused. If only the last sync of the folder failed, readers already see the new content.
    #[error("cannot {action} {}", path.display())]
    Failed {
        /// What was tried, as a verb.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a place in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The first 64 bytes are not a segment header, or name another base than the file does.
    SegmentHeader,
    /// No valid frame stands here, though frames after it prove that there was one.
    Frame,
    /// The file ends before the segment that follows begins, or a segment is missing.
    EndsEarly,
    /// The file goes on beyond the place where the segment that follows begins.
    EndsLate,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SegmentHeader => "not a valid segment header",
            Self::Frame => "not a valid frame",
            Self::EndsEarly => "it ends before the next segment begins, or a segment is missing",
            Self::EndsLate => "it goes on beyond the begin of the next segment",
        })
    }
}

/// Whether the system says that space or quota is used up.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
