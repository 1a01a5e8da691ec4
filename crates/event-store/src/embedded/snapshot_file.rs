//! The file that keeps the state of one shelf, format version 1. Numbers are little-endian; `golden/` holds one that every
//! later version reads.
//!
//! ```text
//! header, 64 bytes                                 then blocks, the last one of length 0
//!  0  8  magic "FWSHELF" and a zero                 0  4  length of what follows
//!  8  2  format version, 1                          4  4  its CRC-32
//! 10  2  the shelf                                  8  -  items, none across two blocks
//! 12  2  number of shelves, 64
//! 14  2  zero                                      item: one byte, then
//! 16 16  id of the log                             1  device: a snapshot record (fieldwatch_wire::stored)
//! 32  8  as of: all before this address is in it   2  the same, with observations after its newest record
//! 40  8  position of the log's newest event        3  checkpoint: a checkpoint record
//! 48 12  zero                                      4  forgotten device: position (8), id length (1), id
//! 60  4  CRC-32 of bytes 0..60                     5  the same, and everything before is erased
//! ```
//!
//! It is written under another name, synced, and renamed, so it is the old or the new one, whole. One that cannot be read
//! counts as absent: all it holds can be read from the log, only more slowly.

use fieldwatch_domain::SHELVES;
use fieldwatch_segment_log::{LogId, SyncMode};
use fieldwatch_wire::{
    Damaged,
    stored::{self, DeviceSnapshot, Record},
};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

const MAGIC: [u8; 8] = *b"FWSHELF\0";
const FORMAT_VERSION: u16 = 1;
const HEADER_BYTES: usize = 64;
const BLOCK_HEADER_BYTES: usize = 8;
/// A block is closed when it has so many bytes.
const BLOCK_BYTES: usize = 256 << 10;

const DEVICE: u8 = 1;
const OBSERVED_DEVICE: u8 = 2;
const CHECKPOINT: u8 = 3;
const FORGOTTEN: u8 = 4;
const ERASED: u8 = 5;

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) shelf: usize,
    pub(crate) log_id: LogId,
    /// Everything of this shelf before this address of the log is in the file.
    pub(crate) as_of: u64,
    /// Position of the newest event of the log then.
    pub(crate) newest: u64,
}

/// One thing in the file.
#[derive(Debug, PartialEq)]
pub(crate) enum Item<'a> {
    /// A device; its link is the head of its chain.
    Device { snapshot: DeviceSnapshot<'a>, observed: bool },
    /// How far a partition had been decided.
    Checkpoint { partition: u16, progress: &'a [u8] },
    /// A device that was forgotten at a position.
    Forgotten { device_id: &'a str, position: u64, erased: bool },
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("cannot read it")]
    Failed(#[from] io::Error),
    #[error("its header is damaged")]
    Header,
    #[error("it has format version {0}, this program reads up to {FORMAT_VERSION}")]
    NewerFormat(u16),
    #[error("it is of another shelf or another log")]
    Other,
    #[error("a part of it is damaged or missing")]
    Block,
}

/// The name of a shelf's file.
pub(crate) fn path_of(dir: &Path, shelf: usize) -> PathBuf {
    dir.join(format!("{shelf:02}"))
}

/// A file whose checksums are right.
pub(crate) struct ShelfFile {
    pub(crate) header: Header,
    bytes: Vec<u8>,
}

impl ShelfFile {
    /// Reads and checks a shelf's file; `None` when there is none.
    pub(crate) fn read(dir: &Path, shelf: usize, log_id: LogId) -> Result<Option<Self>, Unusable> {
        let bytes = match fs::read(path_of(dir, shelf)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let header = Header::decode(&bytes)?;
        if header.shelf != shelf || header.log_id != log_id {
            return Err(Unusable::Other);
        }
        let file = Self { header, bytes };
        let mut rest = &file.bytes[HEADER_BYTES..];
        while let Some((block, after)) = split_block(rest)? {
            let crc = u32::from_le_bytes(rest[4..8].try_into().map_err(|_| Unusable::Block)?);
            if crc32fast::hash(block) != crc {
                return Err(Unusable::Block);
            }
            rest = after;
        }
        Ok(Some(file))
    }

    /// Shows every item, in the order of the file.
    pub(crate) fn for_each(&self, mut show: impl FnMut(Item<'_>)) -> Result<(), Damaged> {
        let mut rest = &self.bytes[HEADER_BYTES..];
        while let Some((mut block, after)) = split_block(rest).map_err(|_| Damaged("shelf snapshot"))? {
            while !block.is_empty() {
                let (item, length) = read_item(block)?;
                show(item);
                block = &block[length..];
            }
            rest = after;
        }
        Ok(())
    }
}

type ContentAndRest<'a> = (&'a [u8], &'a [u8]);

/// The first block's content, and what comes after it; `None` at the mark of the end.
fn split_block(bytes: &[u8]) -> Result<Option<ContentAndRest<'_>>, Unusable> {
    let length = bytes.first_chunk::<4>().ok_or(Unusable::Block)?;
    match u32::from_le_bytes(*length) as usize {
        0 => Ok(None),
        length => {
            let content = bytes.get(BLOCK_HEADER_BYTES..BLOCK_HEADER_BYTES + length).ok_or(Unusable::Block)?;
            Ok(Some((content, &bytes[BLOCK_HEADER_BYTES + length..])))
        }
    }
}

fn read_item(bytes: &[u8]) -> Result<(Item<'_>, usize), Damaged> {
    let (kind, body) = bytes.split_first().ok_or(Damaged("shelf snapshot"))?;
    match *kind {
        DEVICE | OBSERVED_DEVICE => match stored::read_record(body)? {
            (Record::Snapshot(snapshot), length) => {
                Ok((Item::Device { snapshot: *snapshot, observed: *kind == OBSERVED_DEVICE }, 1 + length))
            }
            _ => Err(Damaged("device in a shelf snapshot")),
        },
        CHECKPOINT => match stored::read_record(body)? {
            (Record::Checkpoint { partition, progress }, length) => Ok((Item::Checkpoint { partition, progress }, 1 + length)),
            _ => Err(Damaged("checkpoint in a shelf snapshot")),
        },
        FORGOTTEN | ERASED => {
            let damaged = Damaged("forgotten device in a shelf snapshot");
            let (position, rest) = body.split_first_chunk::<8>().ok_or(damaged)?;
            let (length, rest) = rest.split_first().ok_or(damaged)?;
            let id = rest.get(..usize::from(*length)).ok_or(damaged)?;
            let device_id = std::str::from_utf8(id).map_err(|_| damaged)?;
            let (position, erased) = (u64::from_le_bytes(*position), *kind == ERASED);
            Ok((Item::Forgotten { device_id, position, erased }, 1 + 8 + 1 + id.len()))
        }
        _ => Err(Damaged("item of a shelf snapshot")),
    }
}

/// Writes a shelf's file, item by item.
pub(crate) struct ShelfWriter {
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
    sync: SyncMode,
    block: Vec<u8>,
}

impl ShelfWriter {
    /// Begins the file under another name.
    pub(crate) fn create(dir: &Path, header: &Header, sync: SyncMode) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let path = path_of(dir, header.shelf);
        let unfinished = path.with_extension("unfinished");
        let file = File::create(&unfinished)?;
        let mut writer = Self { file, unfinished, path, sync, block: Vec::with_capacity(BLOCK_BYTES + (BLOCK_BYTES >> 4)) };
        writer.file.write_all(&header.encode())?;
        Ok(writer)
    }

    /// Adds an item.
    pub(crate) fn write(&mut self, item: &Item<'_>) -> io::Result<()> {
        if self.block.is_empty() {
            self.block.extend_from_slice(&[0; BLOCK_HEADER_BYTES]);
        }
        let block = &mut self.block;
        match item {
            Item::Device { snapshot, observed } => {
                block.push(if *observed { OBSERVED_DEVICE } else { DEVICE });
                stored::write_snapshot(block, snapshot);
            }
            Item::Checkpoint { partition, progress } => {
                block.push(CHECKPOINT);
                stored::write_checkpoint(block, *partition, progress);
            }
            Item::Forgotten { device_id, position, erased } => {
                block.push(if *erased { ERASED } else { FORGOTTEN });
                block.extend_from_slice(&position.to_le_bytes());
                block.push(device_id.len() as u8);
                block.extend_from_slice(device_id.as_bytes());
            }
        }
        if self.block.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    /// Makes it durable, under its own name.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.end_block()?;
        self.file.write_all(&[0; BLOCK_HEADER_BYTES])?;
        if self.sync == SyncMode::Durable {
            self.file.sync_all()?;
        }
        fs::rename(&self.unfinished, &self.path)?;
        if self.sync == SyncMode::Durable
            && let Some(dir) = self.path.parent()
        {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        let Some(content) = self.block.get(BLOCK_HEADER_BYTES..) else { return Ok(()) };
        let (length, crc) = (content.len() as u32, crc32fast::hash(content));
        self.block[..4].copy_from_slice(&length.to_le_bytes());
        self.block[4..8].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

impl Drop for ShelfWriter {
    /// Gives back the space of what was not finished; if even that fails, the next file of this shelf overwrites it.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.unfinished);
    }
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&(self.shelf as u16).to_le_bytes());
        bytes[12..14].copy_from_slice(&(SHELVES as u16).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.log_id.to_bytes());
        bytes[32..40].copy_from_slice(&self.as_of.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.newest.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unusable> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or(Unusable::Header)?;
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let crc = u32::from_le_bytes(std::array::from_fn(|byte| bytes[60 + byte]));
        if bytes[..8] != MAGIC || crc32fast::hash(&bytes[..60]) != crc {
            return Err(Unusable::Header);
        }
        if u16_at(8) > FORMAT_VERSION {
            return Err(Unusable::NewerFormat(u16_at(8)));
        }
        if usize::from(u16_at(12)) != SHELVES {
            return Err(Unusable::Other);
        }
        Ok(Self {
            shelf: usize::from(u16_at(10)),
            log_id: LogId::from_bytes(std::array::from_fn(|byte| bytes[16 + byte])),
            as_of: u64_at(32),
            newest: u64_at(40),
        })
    }
}

#[cfg(test)]
mod tests;
