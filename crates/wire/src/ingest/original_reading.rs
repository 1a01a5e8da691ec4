//! A reading in the original format: `{"DevId":"AL-0012","Temp":48.5,"Lat":38.5698,"Lon":45.6974}`.
//!
//! As lenient as the original was, so that its devices and scripts work unchanged: names in any letter case, unknown ones
//! ignored, of repeated ones the last counts, numbers also as text, a byte order mark is passed over. Stricter in one
//! thing, and meant so: all four members are wanted, and values must be believable.

use super::batch::utf8;
use super::field::{self, Numbers};
use super::json::{Cursor, Kind, Malformed, Value};
use super::media_type::{UnsupportedMediaType, check_original};
use super::refusal::{Reason, Refused, Rejection, Rejections};
use super::{Accepted, Limits};
use fieldwatch_domain::{Location, Reading, ReadingId, Timestamp};
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
    let mut cursor = Cursor::new(utf8(body)?, limits.max_nesting);
    let mut rejections = Rejections::new(limits.max_readings);
    let members = last_of_each(&mut cursor, ["DevId", "Temp", "Lat", "Lon"]).map_err(Refused::from)?;
    let [device_id, temperature, latitude, longitude] = match members {
        Ok(members) => members,
        Err(found) => {
            rejections.add(0, "", Reason::WrongType { wanted: "an object", found });
            return Err(OriginalRefused::Reading(rejections.into_list()));
        }
    };
    let device_id = wanted("DevId", device_id, field::device_id, &mut rejections);
    let temperature = wanted("Temp", temperature, |value| field::temperature(&value, Numbers::AlsoAsText, limits), &mut rejections);
    let latitude = wanted("Lat", latitude, |value| field::latitude(&value, Numbers::AlsoAsText), &mut rejections);
    let longitude = wanted("Lon", longitude, |value| field::longitude(&value, Numbers::AlsoAsText), &mut rejections);
    let (Some(device_id), Some(temperature), Some(latitude), Some(longitude)) = (device_id, temperature, latitude, longitude)
    else {
        return Err(OriginalRefused::Reading(rejections.into_list()));
    };
    let location = Location::from_stored(latitude, longitude);
    Ok(Accepted { device_id, reading: Reading { temperature, location, at: None, received_at: now, id: new_id() } })
}

/// Reads a whole text as an object and gives the last value of each of these members, whatever the case of its name; the
/// kind of a text that is something else.
///
/// The original broker message is of the same leniency, under names of its own.
fn last_of_each<'a, const N: usize>(
    cursor: &mut Cursor<'a>,
    names: [&'static str; N],
) -> Result<Result<[Option<Value<'a>>; N], Kind>, Malformed> {
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

fn wanted<'a, T>(
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
