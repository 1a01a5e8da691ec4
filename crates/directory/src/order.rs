//! Where a device stands in an order.

use crate::{Sort, SortKey, search::Seen};
use std::cmp::Ordering;

/// A place in an order: what is compared first, then the id.
///
/// One shape for every key: numbers leave the text alone, the name leaves the number alone, the id needs neither.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) number: i64,
    pub(crate) text: Option<&'a str>,
    pub(crate) id: &'a str,
}

impl<'a> Place<'a> {
    /// Where a device stands.
    pub(crate) fn of(sort: Sort, seen: &Seen<'a>) -> Self {
        let number = match sort.key {
            SortKey::DeviceId | SortKey::Name => 0,
            SortKey::Temperature => i64::from(seen.row.temperature.steps()),
            SortKey::LastSeen => seen.row.last_seen.unix_ms(),
            SortKey::ReceivedAt => seen.row.received_at.unix_ms(),
            SortKey::Version => i64::try_from(seen.row.version).unwrap_or(i64::MAX),
            SortKey::Status => i64::from(seen.row.status.number()),
        };
        let text = if sort.key == SortKey::Name { seen.description.and_then(|description| description.name()) } else { None };
        Self { number, text, id: seen.id }
    }

    /// Which of two comes first.
    pub(crate) fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let keys = (self.number, self.text).cmp(&(other.number, other.text));
        let ids = self.id.cmp(other.id);
        match (sort.descending, sort.key) {
            (false, _) => keys.then(ids),
            (true, SortKey::DeviceId) => ids.reverse(),
            (true, _) => keys.reverse().then(ids),
        }
    }
}
