//! All events from a position, in the order of the log.

use super::records::{read_error, records};
use crate::{EventsPage, ReadError};
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, EventType};
use fieldwatch_segment_log::LogReader;
use fieldwatch_wire::stored::Record;

/// How many bytes of the log one page looks through at most, so that a log of little but observations does not keep a
/// reader waiting; the page then says where to go on.
const PAGE_BYTES: u64 = 16 << 20;

/// The events after position `after` that `shown` lets through, at most `limit`.
pub(super) fn events_after(
    log: &LogReader,
    numbers: &DeviceNumbers,
    after: u64,
    limit: usize,
    shown: &dyn Fn(DeviceNumber, u64, EventType) -> bool,
) -> Result<EventsPage, ReadError> {
    let (start, end) = (log.start(), log.end());
    if after > end {
        return Err(ReadError::NotInLog(after));
    }
    if after > 0 && after < start {
        return Err(ReadError::Gone { earliest: start });
    }
    // Any number may come from outside: the frame around it is walked from its start.
    let from = log.seek_frame(after.max(start)).map_err(|error| read_error(&error))?;
    let mut frames = log.frames_from(from);
    let mut page = EventsPage { events: Vec::new(), next: after, at_end: false };
    let mut looked_through = 0;
    // A frame may be larger than a page; one that `after` lies at the end of must not be looked through again and again.
    while looked_through < PAGE_BYTES || page.next == after {
        let Some(frame) = frames.next_frame().map_err(|error| read_error(&error))? else {
            page.at_end = true;
            break;
        };
        for (address, record) in records(frame.payload, frame.address_of_payload) {
            let record = record.map_err(|damaged| ReadError::Failed(format!("at position {address}: {damaged}")))?;
            if address <= after {
                continue;
            }
            if page.events.len() >= limit {
                return Ok(page);
            }
            page.next = address;
            if let Record::Event(event) = record {
                let device = numbers.number(event.device_id);
                if shown(device, address, event.event.event_type()) {
                    page.events.push(event.recorded(device, address));
                }
            }
        }
        looked_through += frame.payload.len() as u64;
    }
    Ok(page)
}
