//! One pass over all devices: which of them are asked for, and which of those come first.

use crate::{Cursor, DeviceRow, DeviceView, ListPage, ListQuery, Sort, order::Place};
use fieldwatch_domain::{Description, DeviceId};
use std::{cmp::Ordering, collections::BinaryHeap};

/// A device as the pass comes across it; nothing is copied until it is one of the best.
pub(crate) struct Seen<'a> {
    pub(crate) id: &'a str,
    pub(crate) row: DeviceRow,
    pub(crate) description: Option<&'a Description>,
}

/// Keeps the first `limit` devices after the cursor that are asked for.
pub(crate) struct Search<'q> {
    query: &'q ListQuery,
    /// What is looked for in ids, names and labels, in lowercase.
    text: Option<String>,
    /// The last in the order on top.
    best: BinaryHeap<Kept>,
    /// Whether there is a device after the last one that is kept.
    more: bool,
}

struct Kept {
    view: DeviceView,
    sort: Sort,
}

impl<'q> Search<'q> {
    pub(crate) fn new(query: &'q ListQuery) -> Self {
        Self { query, text: query.text.as_deref().map(lowercase), best: BinaryHeap::new(), more: false }
    }

    pub(crate) fn look_at(&mut self, seen: &Seen<'_>) {
        let sort = self.query.sort;
        let place = Place::of(sort, seen);
        if self.query.after.as_ref().is_some_and(|after| after.place().compare(&place, sort).is_ge()) || !self.is_asked_for(seen) {
            return;
        }
        if self.best.len() >= self.query.limit {
            self.more = true;
            match self.best.peek() {
                Some(last) if place.compare(&last.place(), sort).is_lt() => drop(self.best.pop()),
                _ => return,
            }
        }
        let Ok(id) = DeviceId::new(seen.id) else { return };
        let description = seen.description.cloned().unwrap_or_default();
        self.best.push(Kept { view: DeviceView { id, description, row: seen.row }, sort });
    }

    /// The cheap tests first.
    fn is_asked_for(&self, seen: &Seen<'_>) -> bool {
        let Seen { row, description, .. } = seen;
        let query = self.query;
        query.bbox.is_none_or(|bbox| bbox.contains(row.location))
            && query.min_temperature.is_none_or(|least| row.temperature >= least)
            && query.max_temperature.is_none_or(|most| row.temperature <= most)
            && (query.statuses.is_empty() || query.statuses.contains(&row.status))
            && (query.labels.is_empty() || description.is_some_and(|described| has_one_of(described, &query.labels)))
            && self.text.as_deref().is_none_or(|text| is_in_any_text(text, seen))
    }

    pub(crate) fn into_page(self, position: u64) -> ListPage {
        let sort = self.query.sort;
        let devices: Vec<DeviceView> = self.best.into_sorted_vec().into_iter().map(|kept| kept.view).collect();
        let next = devices.last().filter(|_| self.more).map(|last| Cursor::after(sort, &place_of(sort, last)));
        ListPage { devices, next, position }
    }
}

fn place_of(sort: Sort, view: &DeviceView) -> Place<'_> {
    Place::of(sort, &Seen { id: view.id.as_str(), row: view.row, description: Some(&view.description) })
}

/// Whether a device has one of these labels, letter by letter.
pub(crate) fn has_one_of(description: &Description, labels: &[String]) -> bool {
    description.labels().iter().any(|label| labels.iter().any(|asked| **asked == **label))
}

fn is_in_any_text(text: &str, seen: &Seen<'_>) -> bool {
    contains(seen.id, text)
        || seen.description.is_some_and(|described| {
            described.name().is_some_and(|name| contains(name, text))
                || described.labels().iter().any(|label| contains(label, text))
        })
}

/// Whether `text` contains `lowercase_part`, whatever the case of its letters.
fn contains(text: &str, lowercase_part: &str) -> bool {
    if !text.is_ascii() {
        return lowercase(text).contains(lowercase_part);
    }
    let part = lowercase_part.as_bytes();
    part.is_empty() || text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Letter by letter: `str::to_lowercase` looks at the letters around a sigma, and then a part of a word would not be found in it.
fn lowercase(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl Kept {
    fn place(&self) -> Place<'_> {
        place_of(self.sort, &self.view)
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().compare(&other.place(), self.sort)
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Kept {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_whatever_the_case_of_its_letters() {
        for (text, part) in [
            ("AL-0012", "al-00"),
            ("Kühlwagen", "KÜHL"),
            ("ΟΔΟΣΑ", "οδοσ"),
            ("straße", "Straße"),
            ("x", ""),
            ("K", "\u{212a}"), // the Kelvin sign is a k in lowercase
        ] {
            assert!(contains(text, &lowercase(part)), "{part} in {text}");
        }
        assert!(!contains("abc", &lowercase("ü")));
        assert!(!contains("ab", &lowercase("abc")));
    }
}
