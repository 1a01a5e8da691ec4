//! A reading in the original format: `{"DevId":"AL-0012","Temp":48.5,"Lat":38.5698,"Lon":45.6974}`.
//!
//! As lenient as the original was, so that its devices and scripts work unchanged: names in any letter case, unknown ones
//! ignored, of repeated ones the last counts, numbers also as text, a byte order mark is passed over. Stricter in one
//! thing, and meant so: all four members are wanted, and values must be believable.

use super::batch::utf8;
use super::field::{self, Numbers};
use super::json::{Cursor, Kind, Value};
use super::media_type::{UnsupportedMediaType, check_original};
use super::refusal::{Reason, Refused, Rejection, Rejections};
use super::{Accepted, Limits};
use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Timestamp};
use std::borrow::Cow;
use thiserror::Error;

/// Why a reading in the original format is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OriginalRefused {
    /// The content type is none of those that the original took: 415.
    #[error(transparent)]
    MediaType(#[from] UnsupportedMediaType),
    /// The body is not JSON, not UTF-8, or nested too deep: 400.
    #[error(transparent)]
    Body(#[from] Refused),
    /// The reading has bad fields, these ones: 422.
    #[error("the reading has bad fields")]
    Reading(Vec<Rejection>),
}

/// Reads a body in the original format. `new_id` gives the reading's id, for the format has none.
///
/// # Errors
/// When the reading is not taken.
pub fn parse_original<'a>(
    body: &'a [u8],
    content_type: Option<&str>,
    limits: &Limits,
    now: Timestamp,
    new_id: impl FnOnce() -> ReadingId,
) -> Result<Accepted<'a>, OriginalRefused> {
    check_original(content_type)?;
    let mut rejections = Rejections::new(limits.max_readings);
    let names = ["DevId", "Temp", "Lat", "Lon"];
    let taken = match last_of_each(body, limits, names)? {
        Ok(members) => check(names, members, limits, &mut rejections),
        Err(found) => {
            rejections.add(0, "", Reason::WrongType { wanted: "an object", found });
            None
        }
    };
    let Some((device_id, temperature, location)) = taken else {
        return Err(OriginalRefused::Reading(rejections.into_list()));
    };
    Ok(Accepted { device_id, reading: Reading { temperature, location, at: None, received_at: now, id: new_id() } })
}

/// What both of the original's formats say, each under names of its own: whose reading it is, temperature and place.
pub(super) fn check<'a>(
    names: [&'static str; 4],
    [device_id, temperature, latitude, longitude]: [Option<Value<'a>>; 4],
    limits: &Limits,
    rejections: &mut Rejections,
) -> Option<(Cow<'a, str>, Celsius, Location)> {
    let device_id = wanted(names[0], device_id, field::device_id, rejections);
    let temperature = wanted(names[1], temperature, |value| field::temperature(&value, Numbers::AlsoAsText, limits), rejections);
    let latitude = wanted(names[2], latitude, |value| field::latitude(&value, Numbers::AlsoAsText), rejections);
    let longitude = wanted(names[3], longitude, |value| field::longitude(&value, Numbers::AlsoAsText), rejections);
    Some((device_id?, temperature?, Location::from_stored(latitude?, longitude?)))
}

/// Reads a whole body as an object and gives the last value of each of these members, whatever the case of its name; the
/// kind of a body that is something else.
pub(super) fn last_of_each<'a, const N: usize>(
    body: &'a [u8],
    limits: &Limits,
    names: [&'static str; N],
) -> Result<Result<[Option<Value<'a>>; N], Kind>, Refused> {
    let mut cursor = Cursor::new(utf8(body)?, limits.max_nesting);
    let mut values = [const { None }; N];
    let kind = cursor.kind()?;
    if kind != Kind::Object {
        cursor.skip_value()?;
        cursor.end()?;
        return Ok(Err(kind));
    }
    cursor.object(|cursor, name| {
        match names.iter().position(|known| known.eq_ignore_ascii_case(&name)) {
            Some(member) => values[member] = Some(cursor.value()?),
            None => drop(cursor.skip_value()?),
        }
        Ok(())
    })?;
    cursor.end()?;
    Ok(Ok(values))
}

pub(super) fn wanted<'a, T>(
    field: &'static str,
    value: Option<Value<'a>>,
    check: impl FnOnce(Value<'a>) -> Result<T, Reason>,
    rejections: &mut Rejections,
) -> Option<T> {
    match value.ok_or(Reason::Missing).and_then(check) {
        Ok(checked) => Some(checked),
        Err(reason) => {
            rejections.add(0, field, reason);
            None
        }
    }
}
