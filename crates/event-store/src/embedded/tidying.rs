//! Physically removes what belonged to forgotten devices, and what is older than the retention.

use super::{
    heads::ByDevice,
    records::{RecordReader, device_id_of, link_of, read_error, records, told},
    shared::{Forgetting, Shared},
    writer::Command,
};
use crate::{AppendError, ReadError};
use fieldwatch_domain::{DeviceEvent, DeviceNumbers, SHELVES};
use fieldwatch_segment_log::{Log, SegmentInfo};
use fieldwatch_wire::stored::{Record, erase_record, read_record};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc, oneshot};

/// Lets the writer do something with its log between two commits, and waits for it. Blocks.
struct LogKeeper<'a> {
    writer: &'a mpsc::Sender<Command>,
}

impl LogKeeper<'_> {
    fn ask<T: Send + 'static>(&self, work: impl FnOnce(&mut Log) -> Result<T, String> + Send + 'static) -> Result<T, AppendError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Maintain(Box::new(move |log| {
            let _ = answer.send(work(log));
        }));
        let gone = || AppendError::Stopped("its writer has ended".into());
        self.writer.blocking_send(command).map_err(|_| gone())?;
        answered.blocking_recv().map_err(|_| gone())?.map_err(AppendError::Unavailable)
    }

    fn roll(&self) -> Result<(), AppendError> {
        self.ask(|log| log.roll().map_err(|error| told(&error)))
    }
}

/// See [`EventStore::tidy`](crate::EventStore::tidy). Blocks.
pub(super) fn tidy(shared: &Shared, writer: &mpsc::Sender<Command>) -> Result<(), AppendError> {
    let keeper = LogKeeper { writer };
    expire(shared, &keeper)?;
    erase(shared, &keeper)
}

/// Removes the segments whose newest record is older than the retention, as far as every shelf is saved beyond them.
///
/// A segment ends when the next begins, so the time of that tells its newest record's. The newest segment is finished once
/// its oldest record is too old, so a record is gone after twice the retention at the latest.
fn expire(shared: &Shared, keeper: &LogKeeper<'_>) -> Result<(), AppendError> {
    let Some(retention) = shared.options.retention else { return Ok(()) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let oldest_kept = i64::try_from(now.saturating_sub(retention).as_millis()).unwrap_or(i64::MAX);
    let is_too_old = |segment: &SegmentInfo| segment.created_ms <= oldest_kept;
    if shared.log.segments().last().is_some_and(is_too_old) {
        keeper.roll()?;
    }
    let segments = shared.log.segments();
    let expired = segments.windows(2).take_while(|pair| is_too_old(&pair[1])).map(|pair| pair[0].end).last();
    let Some(expired) = expired else { return Ok(()) };
    // State never expires: shelves that are not saved that far are asked to be, and their segments go next time.
    want_snapshots(shared, 0..SHELVES, expired);
    let saved = (0..SHELVES).map(|shelf| shared.as_of(shelf)).min().unwrap_or(0);
    let freed = keeper.ask(move |log| log.remove_before(expired.min(saved)).map_err(|error| told(&error)))?;
    if freed > 0 {
        tracing::info!(freed, start = shared.log.start(), "removed events older than the retention");
    }
    Ok(())
}

fn want_snapshots(shared: &Shared, shelves: impl IntoIterator<Item = usize>, at: u64) {
    for shelf in shelves {
        shared.shelves[shelf].wanted_at.fetch_max(at, Ordering::AcqRel);
    }
}

/// Blanks every record of forgotten devices from before they were forgotten, and has their shelves saved anew.
fn erase(shared: &Shared, keeper: &LogKeeper<'_>) -> Result<(), AppendError> {
    let pending: ByDevice<Forgetting> =
        shared.forgotten.read().iter().filter(|(_, forgetting)| !forgetting.erased).map(|(at, what)| (*at, *what)).collect();
    let Some(last) = pending.values().map(|forgetting| forgetting.position).max() else { return Ok(()) };
    let from = oldest_record(shared, &pending);
    if shared.log.segments().last().is_some_and(|newest| newest.base < last) {
        // Only finished segments can be changed.
        keeper.roll()?;
    }
    let doomed = Arc::new(Doomed { numbers: Arc::clone(&shared.numbers), before: pending });
    for segment in shared.log.segments().into_iter().filter(|segment| segment.sealed && segment.end > from && segment.base < last) {
        erase_in(shared, keeper, &segment, &doomed)?;
    }
    let mut forgotten = shared.forgotten.write();
    for (device, done) in &doomed.before {
        if let Some(forgetting) = forgotten.get_mut(device)
            && forgetting.position == done.position
        {
            forgetting.erased = true;
        }
        // A snapshot from before still holds the state of then.
        want_snapshots(shared, [device.shelf()], done.position + 1);
    }
    tracing::info!(devices = doomed.before.len(), "erased what belonged to forgotten devices");
    Ok(())
}

/// Address before which none of the devices has a record, found by walking their chains.
///
/// Segments are blanked oldest first, so where a chain ends in a blank record, everything older of that device is blank too.
fn oldest_record(shared: &Shared, pending: &ByDevice<Forgetting>) -> u64 {
    let mut oldest = u64::MAX;
    let mut reader = RecordReader::new(&shared.log);
    for forgetting in pending.values() {
        let mut next = Some(forgetting.position);
        while let Some(address) = next {
            oldest = oldest.min(address);
            next = match reader.read(address) {
                Ok(record) => link_of(&record).and_then(|link| link.resolve(address)).filter(|before| *before < address),
                Err(ReadError::Gone { .. }) => None,
                // Then everything has to be looked through.
                Err(ReadError::NotInLog(_) | ReadError::Failed(_)) => return 0,
            };
        }
    }
    oldest
}

/// What is to be blanked.
struct Doomed {
    numbers: Arc<DeviceNumbers>,
    before: ByDevice<Forgetting>,
}

impl Doomed {
    /// Whether a record goes. That a device was forgotten stays told.
    fn has(&self, record: &Record<'_>, address: u64) -> bool {
        if matches!(record, Record::Event(event) if matches!(event.event, DeviceEvent::Forgotten)) {
            return false;
        }
        let forgetting = device_id_of(record).and_then(|id| self.numbers.find(id)).and_then(|device| self.before.get(&device));
        forgetting.is_some_and(|forgetting| address < forgetting.position)
    }

    /// Blanks what goes in one frame, and says whether there was any.
    fn blank(&self, address: u64, payload: &mut [u8]) -> bool {
        let (mut at, mut changed) = (0, false);
        while at < payload.len() {
            // A record that cannot be read is not for us to change; recovery will tell of it.
            let Ok((record, length)) = read_record(&payload[at..]) else { break };
            if self.has(&record, address + at as u64) {
                erase_record(&mut payload[at..]);
                changed = true;
            }
            at += length;
        }
        changed
    }
}

/// Looks first, on this thread, so that the writer is held up only by segments that really change.
fn erase_in(shared: &Shared, keeper: &LogKeeper<'_>, segment: &SegmentInfo, doomed: &Arc<Doomed>) -> Result<(), AppendError> {
    let base = segment.base;
    match has_doomed(shared, segment, doomed) {
        Ok(false) | Err(ReadError::Gone { .. }) => return Ok(()),
        Ok(true) => {}
        Err(error) => return Err(AppendError::Unavailable(told(&error))),
    }
    let doomed = Arc::clone(doomed);
    keeper.ask(move |log| {
        let rewritten = log.rewrite_segment(base, &mut |address, payload| doomed.blank(address, payload));
        rewritten.map_err(|error| told(&error))
    })?;
    Ok(())
}

fn has_doomed(shared: &Shared, segment: &SegmentInfo, doomed: &Doomed) -> Result<bool, ReadError> {
    let mut frames = shared.log.frames_from(segment.base);
    while frames.position() < segment.end {
        let Some(frame) = frames.next_frame().map_err(|error| read_error(&error))? else { break };
        let mut all = records(frame.payload, frame.address_of_payload);
        if all.any(|(address, record)| record.is_ok_and(|record| doomed.has(&record, address))) {
            return Ok(true);
        }
    }
    Ok(false)
}
