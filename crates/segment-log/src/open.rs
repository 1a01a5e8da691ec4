//! Opening a log: finds its segments, cuts a torn tail, refuses damage.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    chain::Chain,
    error::{Damage, OpenError, is_full},
    format::{LogId, SegmentHeader},
    frame_buffer::Extent,
    listing::{self, Link, Listing},
    options::{LogOptions, SyncMode},
    scan::{Scan, Tail, scan},
    segment::Segment,
    writer::{SegmentWriter, sync_dir},
};

/// A log as it was found, ready to go on.
pub(crate) struct Found {
    pub(crate) chain: Chain,
    pub(crate) writer: SegmentWriter,
    pub(crate) cut_bytes: u64,
}

/// Opens the log in `dir` for writing, or begins one.
pub(crate) fn open(dir: &Path, options: &LogOptions) -> Result<Found, OpenError> {
    create_dir(dir).map_err(OpenError::failed("create", dir))?;
    let listing = listing::read(dir, options.kind)?;
    remove_leftovers(dir, &listing)?;
    match listing.links.split_last() {
        Some((newest, finished)) => go_on(dir, options, newest, finished),
        None => begin(dir, options),
    }
}

fn begin(dir: &Path, options: &LogOptions) -> Result<Found, OpenError> {
    let log_id = random_log_id().map_err(OpenError::failed("draw a log id for", dir))?;
    let header = SegmentHeader { kind: options.kind, log_id, base: 0, created_ms: now_ms() };
    let writer = SegmentWriter::create(dir, &header, options).map_err(|fault| OpenError::Failed {
        action: fault.action,
        path: fault.path,
        source: fault.source,
    })?;
    let segment = Segment::new(header.base, writer.path.clone(), header.created_ms);
    let chain = Chain::new(dir.to_path_buf(), log_id, vec![Arc::new(segment)], writer.end());
    Ok(Found { chain, writer, cut_bytes: 0 })
}

fn go_on(dir: &Path, options: &LogOptions, newest: &Link, finished: &[Link]) -> Result<Found, OpenError> {
    let path = &newest.path;
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(OpenError::failed("open", path))?;
    let segments: Vec<Segment> = finished.iter().chain([newest]).map(Segment::from).collect();
    let found = scan_segment(&file, newest, &segments[finished.len()], newest.first_frame())?;
    let cut_bytes = match found.tail {
        Tail::Clean => 0,
        Tail::Torn { bytes } => cut(&file, newest, found.end, bytes)?,
        Tail::Damaged => return Err(damaged_frame(newest, found.end)),
    };
    if let (None, Some((previous, _))) = (found.last_frame, finished.split_last()) {
        check_finished(previous, &segments[finished.len() - 1])?;
    }
    if options.sync == SyncMode::Durable {
        make_durable(&file, newest, &found)?;
        sync_dir(dir).map_err(OpenError::failed("sync", dir))?;
    }
    let writer = SegmentWriter::attach(file, path.clone(), newest.header.base, found.end, options);
    let segments = segments.into_iter().map(Arc::new).collect();
    let chain = Chain::new(dir.to_path_buf(), newest.header.log_id, segments, found.end);
    Ok(Found { chain, writer, cut_bytes })
}

/// Walks through a segment from the frame at `from` on, and remembers where its frames are.
pub(crate) fn scan_segment(file: &File, link: &Link, segment: &Segment, from: u64) -> Result<Scan, OpenError> {
    let extent = Extent { file, log_id: link.header.log_id, base: link.header.base, limit: link.end() };
    scan(&extent, from, |address| segment.frames.note(address)).map_err(OpenError::failed("read", &link.path))
}

/// A finished segment was synced to its last byte: anything that is not a frame in it is damage.
fn check_finished(link: &Link, segment: &Segment) -> Result<(), OpenError> {
    let file = File::open(&link.path).map_err(OpenError::failed("open", &link.path))?;
    let found = scan_segment(&file, link, segment, link.first_frame())?;
    if found.end == link.end() { Ok(()) } else { Err(damaged_frame(link, found.end)) }
}

pub(crate) fn damaged_frame(link: &Link, address: u64) -> OpenError {
    let offset = address - link.header.base;
    OpenError::Corrupt { path: link.path.clone(), offset, damage: Damage::Frame }
}

/// Cuts the frame that was being written when the process or the machine stopped. Nobody was told that it is stored.
fn cut(file: &File, link: &Link, end: u64, bytes: u64) -> Result<u64, OpenError> {
    let offset = end - link.header.base;
    if bytes > 0 {
        tracing::warn!(segment = %link.path.display(), offset, bytes, "cut an unfinished commit off the end of the log");
    }
    file.set_len(offset).map_err(OpenError::failed("cut the end of", &link.path))?;
    file.sync_all().map_err(OpenError::failed("sync", &link.path))?;
    Ok(bytes)
}

/// Makes sure of the last frame before anybody builds on it: the process may have stopped between write and sync, or
/// because the sync failed. After a failed sync the system may hold the frame in memory, take it for written, and do
/// nothing at the next sync. So the frame is written again; its bytes are the same, so no crash can tear it.
fn make_durable(file: &File, link: &Link, found: &Scan) -> Result<(), OpenError> {
    if let Some(last_frame) = found.last_frame {
        let offset = last_frame - link.header.base;
        let mut frame = vec![0; (found.end - last_frame) as usize];
        let rewritten = file.read_exact_at(&mut frame, offset).and_then(|()| file.write_all_at(&frame, offset));
        match rewritten {
            // A file system that copies on write needs space for this. A full disk must not keep the program down.
            Err(error) if is_full(&error) => {
                tracing::warn!(segment = %link.path.display(), %error, "cannot write the last commit again");
            }
            other => other.map_err(OpenError::failed("write the last commit again to", &link.path))?,
        }
    }
    file.sync_data().map_err(OpenError::failed("sync", &link.path))
}

fn remove_leftovers(dir: &Path, listing: &Listing) -> Result<(), OpenError> {
    let mut leftovers = listing::unfinished_files(dir).map_err(OpenError::failed("list", dir))?;
    leftovers.extend(listing.half_created.clone());
    for path in leftovers {
        tracing::warn!(file = %path.display(), "remove a file whose creation was interrupted");
        fs::remove_file(&path).map_err(OpenError::failed("remove", path))?;
    }
    Ok(())
}

/// Creates the folder and those above it, each with a durable name.
fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => sync_dir(parent),
    }
}

fn random_log_id() -> io::Result<LogId> {
    let mut bytes = [0; 16];
    // Up to 256 bytes come whole or not at all.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(LogId::from_bytes(bytes))
}

/// Wall clock in Unix milliseconds; 0 when the clock stands before 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
