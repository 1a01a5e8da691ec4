//! Reads frames one after the other with few, large reads, and checks them.

use std::{fs::File, io, os::unix::fs::FileExt};

use crate::format::{FRAME_HEADER_BYTES, FrameHeader, LogId};

/// How much is read at once, unless a frame is larger.
const READ_BYTES: u64 = 256 << 10;

/// A stretch of one segment file in which frames are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Extent<'a> {
    pub(crate) file: &'a File,
    pub(crate) log_id: LogId,
    /// Base address of the segment.
    pub(crate) base: u64,
    /// Address at which the stretch ends. Nothing beyond it is looked at.
    pub(crate) limit: u64,
}

impl Extent<'_> {
    /// Fills `buffer` from `address` on. Returns how many bytes there were before the limit or the end of the file.
    pub(crate) fn read_at(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.limit.saturating_sub(address).min(buffer.len() as u64) as usize;
        let mut filled = 0;
        while filled < wanted {
            match self.file.read_at(&mut buffer[filled..wanted], address - self.base + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// The bytes from one address on, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct FrameBuffer {
    bytes: Vec<u8>,
    /// Address of `bytes[0]`.
    start: u64,
    filled: usize,
}

impl FrameBuffer {
    /// Checks the frame at `address` and keeps it whole. `None`: no valid frame ends within the extent.
    pub(crate) fn load(&mut self, extent: &Extent<'_>, address: u64) -> io::Result<Option<FrameHeader>> {
        if !self.hold(extent, address, FRAME_HEADER_BYTES)? {
            return Ok(None);
        }
        let Some(header) = FrameHeader::decode(self.after(address), extent.log_id, address) else { return Ok(None) };
        if !self.hold(extent, address, header.frame_bytes())? {
            return Ok(None);
        }
        let valid = crc32fast::hash(self.payload(address, &header)) == header.payload_crc;
        Ok(valid.then_some(header))
    }

    /// The payload of the frame that was just loaded.
    pub(crate) fn payload(&self, address: u64, header: &FrameHeader) -> &[u8] {
        &self.after(address)[FRAME_HEADER_BYTES as usize..header.frame_bytes() as usize]
    }

    /// The same, to be changed in memory.
    pub(crate) fn payload_mut(&mut self, address: u64, header: &FrameHeader) -> &mut [u8] {
        let at = (address - self.start) as usize;
        &mut self.bytes[at + FRAME_HEADER_BYTES as usize..at + header.frame_bytes() as usize]
    }

    /// Forgets what was read, because the file may say something else by now.
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
    }

    fn after(&self, address: u64) -> &[u8] {
        &self.bytes[(address - self.start) as usize..self.filled]
    }

    /// Reads until `length` bytes from `address` on are held. False: the extent or the file ends before.
    fn hold(&mut self, extent: &Extent<'_>, address: u64, length: u64) -> io::Result<bool> {
        // Checked first, so that a length from disk never asks for more memory than there are bytes in the file.
        if length > extent.limit.saturating_sub(address) {
            return Ok(false);
        }
        let held = self.start..self.start + self.filled as u64;
        if held.start <= address && address + length <= held.end {
            return Ok(true);
        }
        let kept = if held.contains(&address) {
            self.bytes.copy_within((address - held.start) as usize..self.filled, 0);
            (held.end - address) as usize
        } else {
            0
        };
        let wanted = length.max(READ_BYTES).min(extent.limit - address) as usize;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        // Set before the read: if it fails, what is held must still be what is said to be held.
        (self.start, self.filled) = (address, kept);
        self.filled += extent.read_at(address + kept as u64, &mut self.bytes[kept..wanted])?;
        Ok(self.filled as u64 >= length)
    }
}
