//! A log in a temporary folder, and what a test does with it again and again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fieldwatch_segment_log::{FrameCursor, Log, LogOptions, LogReader, Opened, ReadError, SyncMode};
use tempfile::TempDir;

pub(crate) const KIND: [u8; 4] = *b"TEST";

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("temporary folder")
}

/// Segments of this size hold a few small frames each.
pub(crate) fn options(segment_bytes: u64) -> LogOptions {
    LogOptions { segment_bytes, max_frame_bytes: 1 << 20, ..LogOptions::new(KIND) }
}

/// For tests that open thousands of logs: what they prove does not depend on the disk, which may be slow to sync.
pub(crate) fn unsynced(segment_bytes: u64) -> LogOptions {
    LogOptions { sync: SyncMode::Never, ..options(segment_bytes) }
}

pub(crate) fn open(dir: &Path, segment_bytes: u64) -> (Log, Opened) {
    Log::open(dir, options(segment_bytes)).expect("open the log")
}

/// A payload that says which one it is, of this length.
pub(crate) fn payload(ordinal: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (ordinal.wrapping_mul(31) + at.wrapping_mul(7)) as u8).collect()
}

/// Commits payloads of these lengths and returns them.
pub(crate) fn fill(log: &mut Log, lengths: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let payloads: Vec<_> = lengths.into_iter().enumerate().map(|(ordinal, length)| payload(ordinal, length)).collect();
    for payload in &payloads {
        log.commit(&[payload]).expect("commit");
    }
    payloads
}

/// All payloads up to the end, or up to the first error.
pub(crate) fn read_on(cursor: &mut FrameCursor) -> (Vec<Vec<u8>>, Result<(), ReadError>) {
    let mut payloads = Vec::new();
    loop {
        match cursor.next_frame() {
            Ok(Some(frame)) => payloads.push(frame.payload.to_vec()),
            Ok(None) => return (payloads, Ok(())),
            Err(error) => return (payloads, Err(error)),
        }
    }
}

pub(crate) fn read_all(reader: &LogReader) -> Vec<Vec<u8>> {
    let (payloads, outcome) = read_on(&mut reader.frames_from(0));
    outcome.expect("read to the end");
    payloads
}

pub(crate) fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("list the folder").map(|entry| entry.expect("list the folder").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "seg")).collect();
    files.sort();
    files
}

pub(crate) fn copy_of(dir: &Path) -> TempDir {
    let copy = folder();
    for file in segment_files(dir) {
        fs::copy(&file, copy.path().join(file.file_name().expect("a file has a name"))).expect("copy");
    }
    copy
}

pub(crate) fn flip(file: &Path, offset: usize, mask: u8) {
    let mut bytes = fs::read(file).expect("read");
    bytes[offset] ^= mask;
    fs::write(file, bytes).expect("write");
}
