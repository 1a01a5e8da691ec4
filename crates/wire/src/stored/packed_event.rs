//! An event's record, written without serde.
//!
//! Events are written for most readings, so those that readings raise take the short way; a test holds it to postcard's
//! bytes. Names and labels, which people edit, go through postcard.

use super::RECORD_HEADER;
use super::event::{EventBody, StoredLocationChange, StoredTemperatureChange, What};
use crate::packed::{MOST, Packed};

/// The values of an event, with version, times and what of a reading id is numbers.
type Values = Packed<{ 7 * MOST + 3 + 7 * SMALL }>;
/// The most bytes of an `i32`, and the byte in which the variant is counted.
const SMALL: usize = 5;

impl EventBody<'_> {
    /// Appends the record with an empty header, or nothing: `false`, for an event that postcard has to write.
    pub(super) fn pack(&self, out: &mut Vec<u8>) -> bool {
        let mut values = Values::after([]);
        let Self { prev, device_id, version, recorded_at, at_before, received_before, reading_id, what } = self;
        if matches!(what, What::Described(_)) {
            return false;
        }
        let mut head = Packed::<{ RECORD_HEADER + 2 * MOST }>::after([0; RECORD_HEADER]);
        head.unsigned(*prev);
        head.unsigned(device_id.len() as u64);
        out.extend_from_slice(head.as_slice());
        out.extend_from_slice(device_id.as_bytes());
        values.unsigned(*version);
        values.signed(*recorded_at);
        values.signed(*at_before);
        values.signed(*received_before);
        match reading_id {
            None => values.byte(0),
            Some(id) => {
                values.byte(1);
                let text = id.pack(&mut values);
                if !text.is_empty() {
                    out.extend_from_slice(values.as_slice());
                    out.extend_from_slice(text.as_bytes());
                    values = Values::after([]);
                }
            }
        }
        what.pack(&mut values);
        out.extend_from_slice(values.as_slice());
        true
    }
}

impl What<'_> {
    /// Variants are counted in the order of their declaration.
    fn pack(&self, values: &mut Values) {
        match self {
            Self::Created { temperature, location } => {
                values.byte(0);
                values.signed(i64::from(*temperature));
                pack_pair(values, *location);
            }
            Self::TemperatureIncreased(change) => change.pack(1, values),
            Self::TemperatureDecreased(change) => change.pack(2, values),
            Self::SimilarTemperatureTraced(change) => change.pack(3, values),
            Self::LocationChanged(change) => change.pack(4, values),
            Self::LocationChangedToAVeryCloseOne(change) => change.pack(5, values),
            Self::GoneSilent { last_seen: moment } => {
                values.byte(6);
                values.signed(*moment);
            }
            Self::IsBack { silent_since: moment } => {
                values.byte(7);
                values.signed(*moment);
            }
            Self::Described(_) => unreachable!("it was left to postcard"),
            Self::Forgotten => values.byte(9),
        }
    }
}

impl StoredTemperatureChange {
    fn pack(&self, variant: u8, values: &mut Values) {
        let Self { temperature, previous, notified, location } = self;
        values.byte(variant);
        values.signed(i64::from(*temperature));
        values.signed(i64::from(*previous));
        values.signed(i64::from(*notified));
        pack_pair(values, *location);
    }
}

impl StoredLocationChange {
    fn pack(&self, variant: u8, values: &mut Values) {
        let Self { location, previous, notified, temperature } = self;
        values.byte(variant);
        pack_pair(values, *location);
        pack_pair(values, *previous);
        pack_pair(values, *notified);
        values.signed(i64::from(*temperature));
    }
}

fn pack_pair(values: &mut Values, (first, second): (i32, i32)) {
    values.signed(i64::from(first));
    values.signed(i64::from(second));
}
