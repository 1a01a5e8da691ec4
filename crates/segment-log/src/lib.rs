//! The append-only segment log on disk that the reading queue and the embedded event store share.
//!
//! One writer appends; any number of readers follow. It knows bytes, not readings or events, does not know async, and
//! starts no thread: whoever uses it gives it one.
//!
//! What it promises:
//!
//! - **One commit is one frame.** A frame is there whole or not at all, whatever byte a crash cuts the file at.
//! - **Durable first, visible second.** [`Log::commit`] returns, and readers see the frame, after `fdatasync`.
//! - **A torn tail is cut, damage stops.** The next frame is written only after the previous one was synced. So a
//!   bad frame with a good one after it cannot come from a crash: that is [`OpenError::Corrupt`], never a silent cut.
//! - **An address is enough to find a byte.** All segments share one linear address space, and a segment file is
//!   named by the address of its first byte. An address stays right when older segments are removed.
//! - **A full disk is an answer, not an accident.** [`CommitError::Full`] leaves the log as it was, and later commits
//!   succeed once there is space.
//!
//! Left out on purpose: locking (callers hold one [`DirectoryLock`] for their whole data folder), waking of readers
//! (the caller knows when it committed), and any index by key.
//!
//! Start at [`Log::open`]; then [`LogReader`] and [`FrameCursor`]. The bytes on disk are described in the `format`
//! module and pinned by `golden/`.

mod log;
mod options;

mod open;
mod writer;

mod cursor;
mod reader;

mod rewrite;
mod verify;

mod chain;
mod segment;

mod frame_buffer;
mod frame_index;
mod scan;

mod format;
mod listing;

mod error;
mod free_space;
mod lock;

#[cfg(test)]
#[path = "../tests/log/small_disk.rs"]
mod small_disk;

pub use cursor::{Frame, FrameCursor};
pub use error::{CommitError, Damage, OpenError, ReadError, RemoveError, RewriteError};
pub use format::{FORMAT_VERSION, FRAME_HEADER_BYTES, LogId, SEGMENT_HEADER_BYTES};
pub use free_space::free_bytes;
pub use lock::{DirectoryLock, LockError};
pub use log::{Committed, Log, Opened, SegmentInfo};
pub use options::{LogOptions, SyncMode};
pub use reader::LogReader;
pub use verify::{FoundDamage, Verification, verify};
