//! Reads frames one after the other.

use std::sync::Arc;

use crate::{
    chain::Chain,
    error::{Damage, ReadError},
    format::FRAME_HEADER_BYTES,
    frame_buffer::FrameBuffer,
    segment::Segment,
};

/// A place in a log, from which frames are read in order. Holds about 256 KiB, or the largest frame it met.
#[derive(Debug)]
pub struct FrameCursor {
    chain: Arc<Chain>,
    position: u64,
    buffer: FrameBuffer,
    /// The segment the buffer was filled from. A rewritten segment is another one.
    buffered: Option<Arc<Segment>>,
}

/// One commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Address of the first byte of the payload.
    pub address_of_payload: u64,
    /// What was committed.
    pub payload: &'a [u8],
    /// When, by the wall clock, Unix ms.
    pub committed_at_ms: i64,
}

impl Frame<'_> {
    /// Address of the frame itself: where [`LogReader::frames_from`](crate::LogReader::frames_from) begins with it.
    pub fn start(&self) -> u64 {
        self.address_of_payload - FRAME_HEADER_BYTES
    }

    /// Address just after the frame.
    pub fn end(&self) -> u64 {
        self.address_of_payload + self.payload.len() as u64
    }
}

impl FrameCursor {
    pub(crate) fn new(chain: Arc<Chain>, position: u64) -> Self {
        Self { chain, position, buffer: FrameBuffer::default(), buffered: None }
    }

    /// The next frame, or `None` at the durable end; call again when there is more.
    ///
    /// After an error the position is unchanged.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        let place = self.chain.locate(self.position)?;
        let position = self.position.max(place.first_frame());
        if position >= place.limit {
            if position == place.limit {
                self.position = position;
            }
            return Ok(None);
        }
        if !self.buffered.as_ref().is_some_and(|segment| Arc::ptr_eq(segment, &place.segment)) {
            self.buffer.clear();
            self.buffered = Some(Arc::clone(&place.segment));
        }
        let path = || place.segment.path.clone();
        let loaded = self.buffer.load(&place.extent(), position);
        let Some(header) = loaded.map_err(|source| ReadError::Failed { path: path(), source })? else {
            let offset = position - place.segment.base;
            return Err(ReadError::Corrupt { path: path(), offset, damage: Damage::Frame });
        };
        self.position = position + header.frame_bytes();
        Ok(Some(Frame {
            address_of_payload: position + FRAME_HEADER_BYTES,
            payload: self.buffer.payload(position, &header),
            committed_at_ms: header.committed_at_ms,
        }))
    }

    /// Address of the next frame.
    pub fn position(&self) -> u64 {
        self.position
    }
}
