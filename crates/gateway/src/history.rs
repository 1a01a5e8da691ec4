//! Walking back through what happened to one device.

use crate::app::App;
use crate::problem::Problem;
use crate::query::TimeRange;
use fieldwatch_domain::{DeviceNumber, Timestamp};
use fieldwatch_event_store::{EventStore, HistoryEntry, ReadError};
use fieldwatch_wire::text::{write_integer, write_timestamp};
use std::time::Duration;

/// So many entries are read from the store at once.
const PAGE: usize = 512;

/// By how much the clock here may have been set back between two recordings. A walk that looks for a time ends once
/// everything older must be before it; this is the doubt it allows for.
const CLOCK_DOUBT: Duration = Duration::from_hours(1);

/// The number of a device that is known now.
pub(crate) fn known_device(app: &App, id: &str) -> Result<DeviceNumber, Problem> {
    // An id may have a number because it was forgotten, or because its first reading is just being decided.
    let number = app.parts.numbers.find(id).ok_or_else(Problem::unknown_device)?;
    app.parts.directory()?.row(number).map(|_| number).ok_or_else(Problem::unknown_device)
}

/// One device's entries, newest first, read as they are asked for.
pub(crate) struct Walk<'a> {
    store: &'a dyn EventStore,
    device: DeviceNumber,
    before: Option<u64>,
    page: std::vec::IntoIter<HistoryEntry>,
    page_size: usize,
    more: bool,
    /// How many entries were given.
    pub(crate) walked: usize,
    /// The reading's time of the last entry that was given.
    oldest: Option<Timestamp>,
    /// Where retention has cut the history, once the walk has come there.
    cut_before: Option<u64>,
}

impl<'a> Walk<'a> {
    /// From before a position, or from the newest entry. `expected`: how many entries will probably be asked for.
    pub(crate) fn new(store: &'a dyn EventStore, device: DeviceNumber, before: Option<u64>, expected: usize) -> Self {
        let page_size = expected.clamp(1, PAGE);
        Self {
            store,
            device,
            before,
            page: Vec::new().into_iter(),
            page_size,
            more: true,
            walked: 0,
            oldest: None,
            cut_before: None,
        }
    }

    /// The next older entry; `None` when there is no older one.
    pub(crate) async fn next(&mut self) -> Result<Option<HistoryEntry>, Problem> {
        loop {
            if let Some(entry) = self.page.next() {
                self.walked += 1;
                self.oldest = Some(at(&entry));
                return Ok(Some(entry));
            }
            if !self.more {
                return Ok(None);
            }
            match self.store.history(self.device, self.before, self.page_size).await {
                Ok(page) => {
                    self.more = page.more && !page.entries.is_empty();
                    self.cut_before = page.cut_before.or(self.cut_before);
                    self.before = page.entries.last().map(position).or(self.before);
                    self.page = page.entries.into_iter();
                    self.page_size = PAGE;
                }
                Err(ReadError::Gone { earliest }) => {
                    self.more = false;
                    self.cut_before = Some(earliest);
                }
                Err(error @ ReadError::NotInLog(_)) => {
                    return Err(Problem::invalid_cursor(error.to_string()));
                }
                Err(error @ ReadError::Failed(_)) => {
                    tracing::error!(%error, "a history could not be read");
                    return Err(Problem::unavailable("store_unavailable", "the event store cannot be read now", 5));
                }
            }
        }
    }

    /// The problem of a range that lies wholly before what is kept, if it does: `found` says that something was in it.
    pub(crate) fn gone(&self, range: TimeRange, found: bool) -> Option<Problem> {
        let cut_before = self.cut_before?;
        let to = range.to?;
        if found || self.oldest.is_some_and(|oldest| to > oldest) {
            return None;
        }
        let mut earliest = String::new();
        match self.oldest {
            Some(oldest) => {
                earliest.push('"');
                write_timestamp(&mut earliest, oldest);
                earliest.push('"');
            }
            None => earliest.push_str("null"),
        }
        let mut position = String::new();
        write_integer(&mut position, cut_before);
        Some(Problem::gone().with_member("earliest", &earliest).with_member("earliestPosition", &position))
    }
}

/// Whether this entry and all older ones must be before the range. Times of readings are not in the order of the log, but a
/// reading is never more than `max_ahead` ahead of its receipt.
pub(crate) fn is_before(entry: &HistoryEntry, range: TimeRange, max_ahead: Duration) -> bool {
    let received = match entry {
        HistoryEntry::Event(event) => event.recorded_at,
        HistoryEntry::Late(late) => late.received_at,
    };
    range.from.is_some_and(|from| received.plus(max_ahead + CLOCK_DOUBT) < from)
}

/// An entry's place in the log.
pub(crate) fn position(entry: &HistoryEntry) -> u64 {
    match entry {
        HistoryEntry::Event(event) => event.position,
        HistoryEntry::Late(late) => late.position,
    }
}

fn at(entry: &HistoryEntry) -> Timestamp {
    match entry {
        HistoryEntry::Event(event) => event.at,
        HistoryEntry::Late(late) => late.at,
    }
}
