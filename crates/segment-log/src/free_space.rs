//! How much space is left where a log lies.

use std::{io, path::Path};

/// Bytes that a process without special rights can still use on the file system of `dir`.
pub fn free_bytes(dir: impl AsRef<Path>) -> io::Result<u64> {
    let space = rustix::fs::statvfs(dir.as_ref())?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}
