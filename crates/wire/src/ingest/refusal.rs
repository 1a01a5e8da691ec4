//! What is answered to a body, or to a reading in it, that is not taken.

use super::json::{Kind, Malformed, Problem};
use crate::text::write_celsius;
use fieldwatch_domain::{Celsius, InvalidDeviceId, InvalidReadingId};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::borrow::Cow;
use thiserror::Error;

/// A whole body is refused: nothing of it may be kept, also none of the readings that were visited before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The body is not UTF-8; counted from 0, the first byte that cannot be.
    #[error("the body is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// The first byte that cannot be UTF-8.
        at: usize,
    },
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(Malformed),
    /// Arrays and objects lie deeper in each other than allowed.
    #[error("the body is not taken: {0}")]
    TooDeep(Malformed),
    /// The body has more readings than one request may have.
    #[error("the body has more than {most} readings")]
    TooManyReadings {
        /// How many it may have.
        most: usize,
    },
}

/// One bad field of one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which reading, from 0; in NDJSON blank lines do not count.
    pub index: usize,
    /// The member's name as the format calls it, `location.lat` inside of `location`; empty when the whole reading is bad.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// The member has to be there.
    #[error("is missing")]
    Missing,
    /// The member is there more than once.
    #[error("is given more than once")]
    Repeated,
    /// `location` is there beside `lat` or `lon`.
    #[error("says the place a second time, beside lat and lon")]
    PlaceRepeated,
    /// No reading has a member of that name.
    #[error("{}", unknown(*meant, known))]
    Unknown {
        /// The known name that was probably meant.
        meant: Option<&'static str>,
        /// All that are known.
        known: &'static [&'static str],
    },
    /// More unknown names follow, which are not told one by one.
    #[error("has more members that are not known")]
    MoreUnknown,
    /// The value is of another type.
    #[error("must be {wanted}, is {found}")]
    WrongType {
        /// What it has to be.
        wanted: &'static str,
        /// What it is.
        found: Kind,
    },
    /// A member that may be left out is `null`.
    #[error("must be {wanted}, is null; leave it out instead")]
    Null {
        /// What it has to be.
        wanted: &'static str,
    },
    /// A text does not spell a number.
    #[error("must be a number, is text that does not spell one")]
    NotANumber,
    /// The temperature is not believed.
    #[error("must be from {} to {} °C", celsius(*least), celsius(*most))]
    TemperatureOutOfRange {
        /// The lowest that is believed.
        least: Celsius,
        /// The highest that is believed.
        most: Celsius,
    },
    /// The coordinate is not on the globe.
    #[error("must be from -{most} to {most} degrees")]
    NotOnTheGlobe {
        /// The greatest latitude or longitude.
        most: u8,
    },
    /// The device id cannot be one.
    #[error(transparent)]
    DeviceId(InvalidDeviceId),
    /// The reading id cannot be one.
    #[error(transparent)]
    ReadingId(InvalidReadingId),
    /// The text is no time.
    #[error("must be an RFC 3339 time such as 2026-01-01T00:00:00.000Z")]
    NotATime,
    /// The text is no local time as the original writes it.
    #[error("must be a time such as 2026-01-01 00:00:00")]
    NotALocalTime,
    /// The time is before 1970.
    #[error("must not be before 1970")]
    Before1970,
    /// The time is too far ahead of the clock here.
    #[error("must be at most {minutes} minutes ahead of the clock here")]
    TooFarAhead {
        /// How far it may be ahead.
        minutes: u64,
    },
    /// A line of NDJSON is not JSON; bytes count from the line's beginning.
    #[error("the line is not JSON: {0}")]
    LineNotJson(Malformed),
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        match malformed.problem {
            Problem::TooDeep(_) => Self::TooDeep(malformed),
            Problem::Expected(_)
            | Problem::CutShort(_)
            | Problem::ControlCharacter
            | Problem::UnknownEscape
            | Problem::LoneSurrogate => Self::NotJson(malformed),
        }
    }
}

/// As the entries of a problem document: `{"index":1,"field":"temperature","reason":"…"}`.
impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_struct("Rejection", 3)?;
        entry.serialize_field("index", &self.index)?;
        entry.serialize_field("field", &self.field)?;
        entry.serialize_field("reason", &self.reason.to_string())?;
        entry.end()
    }
}

fn unknown(meant: Option<&str>, known: &[&str]) -> String {
    match meant {
        Some(meant) => format!("is not known; did you mean {meant}?"),
        None => format!("is not known; known are {}", known.join(", ")),
    }
}

fn celsius(temperature: Celsius) -> String {
    let mut text = String::new();
    write_celsius(&mut text, temperature);
    text
}

/// The bad fields of a body, told one by one up to a bound.
///
/// Beyond the bound each further bad reading still gets an entry, its first one, so that no reading vanishes silently
/// and a small body cannot make a giant answer.
pub(super) struct Rejections {
    list: Vec<Rejection>,
    told_in_full: usize,
}

impl Rejections {
    pub(super) fn new(told_in_full: usize) -> Self {
        Self { list: Vec::new(), told_in_full }
    }

    pub(super) fn add(&mut self, index: usize, field: impl Into<Cow<'static, str>>, reason: Reason) {
        if self.have_room(index) {
            self.list.push(Rejection { index, field: field.into(), reason });
        }
    }

    /// Whether more of this reading, the newest looked at, will be told.
    pub(super) fn have_room(&self, index: usize) -> bool {
        self.list.len() < self.told_in_full || !self.concern(index)
    }

    /// Tells one thing of a reading, the newest looked at, in place of all that was told of it before.
    pub(super) fn replace(&mut self, index: usize, field: &'static str, reason: Reason) {
        while self.concern(index) {
            self.list.pop();
        }
        self.add(index, field, reason);
    }

    /// Whether this reading, the newest looked at, has a bad field.
    pub(super) fn concern(&self, index: usize) -> bool {
        self.list.last().is_some_and(|last| last.index == index)
    }

    /// Whether this field of this reading, the newest looked at, is told already.
    pub(super) fn name(&self, index: usize, field: &str) -> bool {
        self.list.iter().rev().take_while(|told| told.index == index).any(|told| told.field == field)
    }

    pub(super) fn into_list(self) -> Vec<Rejection> {
        self.list
    }
}
