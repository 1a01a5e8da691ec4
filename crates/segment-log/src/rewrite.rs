//! Changes bytes of a finished segment in place, for erasure.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    chain::Place,
    error::{Damage, ReadError, RewriteError, is_full},
    format::{FRAME_HEADER_BYTES, FrameHeader, LogId},
    frame_buffer::FrameBuffer,
    listing,
    log::{Log, SegmentInfo},
    segment::Segment,
    writer::sync_dir,
};

impl Log {
    /// Shows each payload of the finished segment with this base to `change`, which is told its address, may
    /// overwrite bytes, and says whether it did. Returns whether anything was changed.
    ///
    /// Lengths, addresses and commit times stay. The new content is written beside the old, synced, and renamed over
    /// it: after a crash the segment is the old or the new one, whole. Readers see the new content from their next
    /// call on. A segment without a change is read and nothing is written.
    pub fn rewrite_segment(&mut self, base: u64, change: &mut dyn FnMut(u64, &mut [u8]) -> bool) -> Result<bool, RewriteError> {
        let is_this = |segment: &SegmentInfo| segment.base == base && segment.sealed;
        let info = self.segments().into_iter().find(is_this).ok_or(RewriteError::NotSealed { base })?;
        let place = self.chain.locate(base)?;
        let unfinished = self.chain.dir.join(listing::unfinished_name(base));
        let written = write_changed(&place, self.chain.log_id, &unfinished, change);
        let replaced = match written {
            Ok(true) => fs::rename(&unfinished, &info.path).map_err(RewriteFault::doing("replace segment", &info.path)),
            Ok(false) => return Ok(false),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = replaced {
            // Gives back the space; if even that fails, the next opening removes the file.
            let _ = fs::remove_file(&unfinished);
            return Err(fault.into());
        }
        let segment = Arc::new(Segment::new(base, info.path, info.created_ms));
        self.chain.change(|segments| {
            if let Ok(at) = segments.binary_search_by_key(&base, |segment| segment.base) {
                segments[at] = segment;
            }
        });
        let dir = &self.chain.dir;
        sync_dir(dir).map_err(RewriteFault::doing("sync the folder", dir))?;
        Ok(true)
    }
}

/// A rewrite that stopped, before it is known which answer that is.
enum RewriteFault {
    Unreadable(ReadError),
    Failed { action: &'static str, path: PathBuf, source: io::Error },
}

impl RewriteFault {
    fn doing(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Failed { action, path, source }
    }
}

impl From<RewriteFault> for RewriteError {
    fn from(fault: RewriteFault) -> Self {
        match fault {
            RewriteFault::Unreadable(error) => Self::Unreadable(error),
            RewriteFault::Failed { path, source, .. } if is_full(&source) => Self::Full { path, source },
            RewriteFault::Failed { action, path, source } => Self::Failed { action, path, source },
        }
    }
}

/// Writes the changed segment to `copy` and syncs it. False: nothing changed, and there is no copy.
fn write_changed(
    place: &Place,
    log_id: LogId,
    copy: &Path,
    change: &mut dyn FnMut(u64, &mut [u8]) -> bool,
) -> Result<bool, RewriteFault> {
    let extent = place.extent();
    let mut buffer = FrameBuffer::default();
    let mut output: Option<io::BufWriter<File>> = None;
    let mut frame = place.first_frame();
    while frame < place.limit {
        let Some(header) = buffer.load(&extent, frame).map_err(RewriteFault::doing("read", &place.segment.path))? else {
            let (path, offset) = (place.segment.path.clone(), frame - place.segment.base);
            return Err(RewriteFault::Unreadable(ReadError::Corrupt { path, offset, damage: Damage::Frame }));
        };
        let changed = change(frame + FRAME_HEADER_BYTES, buffer.payload_mut(frame, &header));
        if changed && output.is_none() {
            output = Some(copy_up_to(place, frame, copy).map_err(RewriteFault::doing("write", copy))?);
        }
        if let Some(output) = &mut output {
            let payload = buffer.payload(frame, &header);
            let encoded = FrameHeader { payload_crc: crc32fast::hash(payload), ..header }.encode(log_id, frame);
            let written = output.write_all(&encoded).and_then(|()| output.write_all(payload));
            written.map_err(RewriteFault::doing("write", copy))?;
        }
        frame += header.frame_bytes();
    }
    let Some(output) = output else { return Ok(false) };
    let synced = output.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
    synced.map_err(RewriteFault::doing("sync", copy))?;
    Ok(true)
}

/// Begins the copy with everything before the first changed frame.
fn copy_up_to(place: &Place, frame: u64, copy: &Path) -> io::Result<io::BufWriter<File>> {
    let mut output = File::create(copy)?;
    let before = frame - place.segment.base;
    // Opened anew, because reading moves the position of a file.
    io::copy(&mut File::open(&place.segment.path)?.take(before), &mut output)?;
    Ok(io::BufWriter::with_capacity(256 << 10, output))
}
