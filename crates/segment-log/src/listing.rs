//! What a folder holds: its segment files, their headers, and whether they follow one another without a gap.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    error::{Damage, OpenError},
    format::{FORMAT_VERSION, HeaderFault, SEGMENT_HEADER_BYTES, SegmentHeader},
};

/// One segment file whose header is valid.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    /// Length of the file.
    pub(crate) length: u64,
}

impl Link {
    /// Address just after the last byte of the file.
    pub(crate) fn end(&self) -> u64 {
        self.header.base + self.length
    }

    /// Address at which the first frame stands, or will stand.
    pub(crate) fn first_frame(&self) -> u64 {
        self.header.base + SEGMENT_HEADER_BYTES
    }
}

/// The segments of a folder, oldest first, each beginning where the one before it ends.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) links: Vec<Link>,
    /// A last segment whose creation a crash interrupted. It holds nothing.
    pub(crate) half_created: Option<PathBuf>,
}

/// Name of the segment file with this base.
pub(crate) fn file_name(base: u64) -> String {
    format!("{base:020}.seg")
}

/// Name under which a segment file is prepared before it is renamed into place.
pub(crate) fn unfinished_name(base: u64) -> String {
    format!("{base:020}.seg.tmp")
}

fn base_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Bases and paths of the segment files in `dir`, in ascending order. Other files are not looked at.
pub(crate) fn segment_files(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some(base) = name.to_str().and_then(base_of) {
            files.push((base, dir.join(name)));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Files that a crash left behind before they were renamed into place.
pub(crate) fn unfinished_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if name.to_str().and_then(|name| name.strip_suffix(".tmp")).and_then(base_of).is_some() {
            files.push(dir.join(name));
        }
    }
    Ok(files)
}

/// Reads the header of each segment, and checks that all are of this kind, of one log, and without a gap.
pub(crate) fn read(dir: &Path, kind: [u8; 4]) -> Result<Listing, OpenError> {
    let files = segment_files(dir).map_err(OpenError::failed("list", dir))?;
    let mut listing = Listing::default();
    let newest = files.len().saturating_sub(1);
    for (ordinal, (base, path)) in files.into_iter().enumerate() {
        let (header, length) = read_header(&path).map_err(OpenError::failed("read", &path))?;
        if let Some(before) = listing.links.last() {
            check_joint(before, base)?;
        }
        match header {
            Ok(header) if header.base == base => {
                let link = Link { path, header, length };
                check_identity(&link, kind, listing.links.last())?;
                listing.links.push(link);
            }
            Err(HeaderFault::NewerFormat(found)) => {
                return Err(OpenError::NewerFormat { path, found, supported: FORMAT_VERSION });
            }
            Err(HeaderFault::Damaged) if ordinal == newest && may_be_half_created(ordinal == 0, base, length) => {
                listing.half_created = Some(path);
            }
            Ok(_) | Err(HeaderFault::Damaged) => {
                return Err(OpenError::Corrupt { path, offset: 0, damage: Damage::SegmentHeader });
            }
        }
    }
    Ok(listing)
}

/// Whether the newest segment, with a bad header, was never finished rather than damaged later.
///
/// The header is synced before the first frame is written, so a file that goes on behind a bad header was whole once.
/// And a log never begins with an unfinished segment, unless it is the very first of its life.
pub(crate) fn may_be_half_created(is_oldest: bool, base: u64, length: u64) -> bool {
    length <= SEGMENT_HEADER_BYTES && (!is_oldest || base == 0)
}

/// The header of a segment file, and the length of the file.
pub(crate) fn read_header(path: &Path) -> io::Result<(Result<SegmentHeader, HeaderFault>, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES as usize);
    file.take(SEGMENT_HEADER_BYTES).read_to_end(&mut bytes)?;
    Ok((SegmentHeader::decode(&bytes), length))
}

/// The segment after `before` must begin where that one ends.
fn check_joint(before: &Link, base: u64) -> Result<(), OpenError> {
    let (offset, damage) = match before.end().cmp(&base) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less => (before.length, Damage::EndsEarly),
        std::cmp::Ordering::Greater => (base - before.header.base, Damage::EndsLate),
    };
    Err(OpenError::Corrupt { path: before.path.clone(), offset, damage })
}

fn check_identity(link: &Link, kind: [u8; 4], before: Option<&Link>) -> Result<(), OpenError> {
    if link.header.kind != kind {
        return Err(OpenError::OtherKind { path: link.path.clone(), expected: kind, found: link.header.kind });
    }
    match before {
        Some(before) if before.header.log_id != link.header.log_id => {
            Err(OpenError::OtherLog { path: link.path.clone(), expected: before.header.log_id, found: link.header.log_id })
        }
        _ => Ok(()),
    }
}
