//! The file that grows: creates segments and appends frames to the newest.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::{Errno, pwritev, retry_on_intr},
};

use crate::{
    error::is_full,
    format::{SEGMENT_HEADER_BYTES, SegmentHeader},
    listing,
    options::{LogOptions, SyncMode},
};

/// Space is reserved this far ahead, so that a full disk is met between frames and not within one.
const RESERVE_BYTES: u64 = 16 << 20;
/// Most buffers that Linux takes in one call (`IOV_MAX`).
const MAX_BUFFERS: usize = 1024;

/// The newest segment, open for writing.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    base: u64,
    /// Address just after the last frame.
    end: u64,
    /// Address up to which the file system has promised space. `None`: it does not do that.
    reserved_to: Option<u64>,
    /// Address the segment should not grow beyond, unless one frame alone is larger.
    full_at: u64,
    sync: SyncMode,
}

/// A write that did not succeed.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) action: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
    /// What the disk holds is not known any more.
    pub(crate) in_doubt: bool,
}

impl SegmentWriter {
    /// Makes the file of a new segment, header and name durable.
    pub(crate) fn create(dir: &Path, header: &SegmentHeader, options: &LogOptions) -> Result<Self, Fault> {
        let path = dir.join(listing::file_name(header.base));
        let unfinished = dir.join(listing::unfinished_name(header.base));
        let prepared = Self::prepare(&unfinished, header, options).and_then(|writer| {
            fs::rename(&unfinished, &path)?;
            Ok(writer)
        });
        let mut writer = match prepared {
            Ok(writer) => writer,
            Err(source) => {
                // Gives back the space; if even that fails, the next opening removes the file.
                let _ = fs::remove_file(&unfinished);
                return Err(Fault { action: "create segment", path, source, in_doubt: false });
            }
        };
        if options.sync == SyncMode::Durable {
            // After a crash the new name may otherwise be gone, with all frames written to the file.
            sync_dir(dir).map_err(|source| Fault {
                action: "sync the folder of segment",
                path: path.clone(),
                source,
                in_doubt: true,
            })?;
        }
        writer.path = path;
        Ok(writer)
    }

    /// Renamed only when whole, so that nobody ever sees half a header under the name of a segment.
    fn prepare(unfinished: &Path, header: &SegmentHeader, options: &LogOptions) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(unfinished)?;
        file.write_all(&header.encode())?;
        let end = header.base + SEGMENT_HEADER_BYTES;
        let mut writer = Self::attach(file, unfinished.to_path_buf(), header.base, end, options);
        match writer.reserve_to(writer.ahead()) {
            // There may still be enough for the next frame, which asks for itself.
            Err(error) if is_full(&error) => {}
            other => other?,
        }
        if options.sync == SyncMode::Durable {
            writer.file.sync_all()?;
        }
        Ok(writer)
    }

    /// Goes on after the frame that ends at `end`.
    pub(crate) fn attach(file: File, path: PathBuf, base: u64, end: u64, options: &LogOptions) -> Self {
        let full_at = base.saturating_add(options.segment_bytes);
        Self { file, path, base, end, reserved_to: Some(end), full_at, sync: options.sync }
    }

    /// Address just after the last frame.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end == self.base + SEGMENT_HEADER_BYTES
    }

    /// Whether a frame of this length should go to a new segment, unless this one is empty.
    pub(crate) fn is_full_for(&self, frame_bytes: u64) -> bool {
        self.end + frame_bytes > self.full_at
    }

    /// Writes one frame and makes it durable, or leaves the segment as it was.
    pub(crate) fn append(&mut self, header: &[u8], parts: &[&[u8]]) -> Result<(), Fault> {
        let frame_bytes = parts.iter().fold(header.len(), |sum, part| sum + part.len()) as u64;
        self.reserve(frame_bytes).map_err(|source| self.fault("reserve space in segment", source, false))?;
        if let Err(source) = self.write(header, parts) {
            let restored = self.restore();
            return Err(self.fault("write segment", source, restored.is_err()));
        }
        if self.sync == SyncMode::Durable {
            self.file.sync_data().map_err(|source| self.fault("sync segment", source, true))?;
        }
        self.end += frame_bytes;
        Ok(())
    }

    /// Gives back what is reserved beyond the last frame, because this segment is finished.
    pub(crate) fn finish(&mut self) {
        if let Err(error) = self.file.set_len(self.end - self.base) {
            tracing::warn!(segment = %self.path.display(), %error, "cannot give back reserved space");
        }
    }

    fn write(&self, header: &[u8], parts: &[&[u8]]) -> io::Result<()> {
        let mut buffers: Vec<IoSlice<'_>> = Vec::with_capacity(parts.len() + 1);
        buffers.push(IoSlice::new(header));
        buffers.extend(parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)));
        let mut left = buffers.as_mut_slice();
        let mut offset = self.end - self.base;
        while !left.is_empty() {
            let some = &left[..left.len().min(MAX_BUFFERS)];
            let written = retry_on_intr(|| pwritev(&self.file, some, offset))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += written as u64;
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }

    /// Takes back half a frame, so that the file again ends with a whole one.
    fn restore(&mut self) -> io::Result<()> {
        self.file.set_len(self.end - self.base).inspect_err(|error| {
            tracing::error!(segment = %self.path.display(), %error, "cannot take back an unfinished frame");
        })?;
        self.reserved_to = self.reserved_to.map(|_| self.end);
        Ok(())
    }

    /// Makes sure that there is space for the next frame, usually by reserving far more.
    fn reserve(&mut self, frame_bytes: u64) -> io::Result<()> {
        let needed = self.end + frame_bytes;
        if self.reserved_to.is_none_or(|reserved_to| needed <= reserved_to) {
            return Ok(());
        }
        match self.reserve_to(self.ahead().max(needed)) {
            // On a nearly full disk there may be no space ahead, but enough for this one frame.
            Err(error) if is_full(&error) => self.reserve_to(needed),
            other => other,
        }
    }

    fn ahead(&self) -> u64 {
        (self.end + RESERVE_BYTES).min(self.full_at)
    }

    /// Reserves up to this address. The length of the file stays, so that it never ends in zeros that are no frame.
    fn reserve_to(&mut self, to: u64) -> io::Result<()> {
        let (offset, length) = (self.end - self.base, to.saturating_sub(self.end));
        if length == 0 {
            return Ok(());
        }
        self.reserved_to = match retry_on_intr(|| fallocate(&self.file, FallocateFlags::KEEP_SIZE, offset, length)) {
            Ok(()) => Some(to),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => None,
            Err(errno) => return Err(errno.into()),
        };
        Ok(())
    }

    fn fault(&self, action: &'static str, source: io::Error, in_doubt: bool) -> Fault {
        Fault { action, path: self.path.clone(), source, in_doubt }
    }
}

/// Makes names that were added to or removed from a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
impl SegmentWriter {
    /// Puts a device in place of the file, so that the system itself fails one of the calls.
    pub(crate) fn write_to_device(&mut self, device: &str) {
        self.file = OpenOptions::new().write(true).open(device).expect("the device is there on every Linux");
        self.reserved_to = None;
    }
}
