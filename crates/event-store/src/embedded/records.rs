//! Records read back from the log: all of a frame, or the one at an address.

use crate::{Entry, LateReading, Observation, ReadError};
use fieldwatch_domain::DeviceNumber;
use fieldwatch_segment_log::LogReader;
use fieldwatch_wire::{
    Damaged,
    stored::{self, Link, RECORD_HEADER, Record},
};
use std::error::Error;

/// Most records are shorter, so one read gets the whole.
const FIRST_READ: usize = 512;

/// The records of a frame's payload, each with its address.
pub(super) fn records(payload: &[u8], address: u64) -> impl Iterator<Item = (u64, Result<Record<'_>, Damaged>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= payload.len() {
            return None;
        }
        let own = address + at as u64;
        match stored::read_record(&payload[at..]) {
            Ok((record, length)) => {
                at += length;
                Some((own, Ok(record)))
            }
            Err(damaged) => {
                // Where the next record would begin cannot be known.
                at = payload.len();
                Some((own, Err(damaged)))
            }
        }
    })
}

/// Whose a record is; `None` for checkpoints and what was erased.
pub(crate) fn device_id_of<'a>(record: &Record<'a>) -> Option<&'a str> {
    match record {
        Record::Event(event) => Some(event.device_id),
        Record::Late(late) => Some(late.device_id),
        Record::Observation(seen) => Some(seen.device_id),
        Record::Snapshot(snapshot) => Some(snapshot.device_id),
        Record::Checkpoint { .. } | Record::Erased => None,
    }
}

/// The record before, as far as the record is part of a chain.
pub(super) fn link_of(record: &Record<'_>) -> Option<Link> {
    match record {
        Record::Event(event) => Some(event.prev),
        Record::Late(late) => Some(late.prev),
        Record::Snapshot(snapshot) => Some(snapshot.prev),
        Record::Observation(_) | Record::Checkpoint { .. } | Record::Erased => None,
    }
}

/// The entry that a record was; `None` for checkpoints and what was erased.
pub(crate) fn entry_of(record: Record<'_>, device: DeviceNumber, position: u64) -> Option<Entry> {
    match record {
        Record::Event(event) => Some(Entry::Event(event.recorded(device, position))),
        Record::Late(late) => Some(Entry::Late(LateReading {
            device,
            position,
            at: late.at,
            received_at: late.received_at,
            temperature: late.temperature,
            location: late.location,
            reading_id: late.reading_id,
        })),
        Record::Observation(seen) => Some(Entry::Observation(Observation {
            device,
            at: seen.at,
            received_at: seen.received_at,
            fingerprint: seen.fingerprint,
        })),
        Record::Snapshot(snapshot) => Some(Entry::Passivated(Box::new((device, snapshot.device, snapshot.tracking)))),
        Record::Checkpoint { .. } | Record::Erased => None,
    }
}

/// Reads single records by address, as chains are walked.
pub(super) struct RecordReader<'a> {
    log: &'a LogReader,
    buffer: Vec<u8>,
}

impl<'a> RecordReader<'a> {
    pub(super) fn new(log: &'a LogReader) -> Self {
        Self { log, buffer: Vec::new() }
    }

    /// The record at an address that a head or a link told.
    pub(super) fn read(&mut self, address: u64) -> Result<Record<'_>, ReadError> {
        self.fill(address, FIRST_READ)?;
        if let Some(header) = self.buffer.first_chunk::<RECORD_HEADER>() {
            let whole = RECORD_HEADER + stored::read_record_header(*header).1;
            if whole > self.buffer.len() && self.buffer.len() == FIRST_READ {
                self.fill(address, whole)?;
            }
        }
        let record = stored::read_record(&self.buffer);
        record.map(|(record, _)| record).map_err(|damaged| ReadError::Failed(format!("at position {address}: {damaged}")))
    }

    fn fill(&mut self, address: u64, length: usize) -> Result<(), ReadError> {
        self.buffer.resize(length, 0);
        let read = self.log.read_at(address, &mut self.buffer).map_err(|error| read_error(&error))?;
        self.buffer.truncate(read);
        Ok(())
    }
}

/// What a failed read of the log means to whoever asked the store.
pub(super) fn read_error(error: &fieldwatch_segment_log::ReadError) -> ReadError {
    use fieldwatch_segment_log::ReadError as LogError;
    match error {
        LogError::Gone { earliest } => ReadError::Gone { earliest: *earliest },
        LogError::BeyondEnd { address, .. } => ReadError::NotInLog(*address),
        LogError::Corrupt { .. } | LogError::Failed { .. } => ReadError::Failed(told(error)),
    }
}

/// An error with its causes, in one line.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
