//! A reading as the original's broker carries it:
//! `{"At":"2026-01-01 00:00:00","DeviceId":"AL-0012","Temperature":48.5,"Latitude":38.5698,"Longitude":45.6974}`.
//!
//! As lenient as the original's HTTP format: names in any letter case, unknown ones ignored, of repeated ones the last
//! counts, numbers also as text, a byte order mark is passed over. All five members are wanted, and values must be
//! believable. `At` is local time of the publisher, so what it means depends on a [`LocalClock`] and on when it came.

use super::json::Value;
use super::original_reading::{check, last_of_each, wanted};
use super::refusal::{Reason, Rejections};
use super::{Accepted, Limits, LocalClock, OriginalRefused};
use fieldwatch_domain::{Reading, ReadingId, Timestamp, fnv1a_64};

/// A reading of the original's broker that is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginalMessage<'a> {
    /// Whose it is, and what it says.
    pub accepted: Accepted<'a>,
    /// The reading's own time when it is too far ahead to be believed: it counts as the time of receipt, so the reading has
    /// none of its own, and somebody should look at that clock.
    pub too_far_ahead: Option<Timestamp>,
}

/// Reads a message that was received at `now`. Its reading's id is the `message_id` where that can be one, else it derives
/// from the body's bytes, so that the same bytes are one reading however often they come.
///
/// # Errors
/// When the reading is not taken; never because of its media type, which a message need not have.
pub fn parse_original_message<'a>(
    body: &'a [u8],
    message_id: Option<&str>,
    clock: &LocalClock,
    limits: &Limits,
    now: Timestamp,
) -> Result<OriginalMessage<'a>, OriginalRefused> {
    let mut rejections = Rejections::new(limits.max_readings);
    let names = ["DeviceId", "Temperature", "Latitude", "Longitude"];
    let [at, device_id, temperature, latitude, longitude] =
        match last_of_each(body, limits, ["At", names[0], names[1], names[2], names[3]])? {
            Ok(members) => members,
            Err(found) => {
                rejections.add(0, "", Reason::WrongType { wanted: "an object", found });
                return Err(OriginalRefused::Reading(rejections.into_list()));
            }
        };
    let at = wanted("At", at, |value| local_time(&value, clock, now), &mut rejections);
    let taken = check(names, [device_id, temperature, latitude, longitude], limits, &mut rejections);
    let (Some(at), Some((device_id, temperature, location))) = (at, taken) else {
        return Err(OriginalRefused::Reading(rejections.into_list()));
    };
    let is_too_far_ahead = at > now.plus(limits.max_ahead);
    let id = message_id.and_then(|text| ReadingId::new(text).ok()).unwrap_or_else(|| derived_id(body));
    let reading = Reading { temperature, location, at: (!is_too_far_ahead).then_some(at), received_at: now, id };
    Ok(OriginalMessage { accepted: Accepted { device_id, reading }, too_far_ahead: is_too_far_ahead.then_some(at) })
}

fn local_time(value: &Value<'_>, clock: &LocalClock, now: Timestamp) -> Result<Timestamp, Reason> {
    let text = match value {
        Value::Text(text) => text,
        Value::Number(_) | Value::Other(_) => return Err(Reason::WrongType { wanted: "text", found: value.kind() }),
    };
    let at = clock.read(text, now).ok_or(Reason::NotALocalTime)?;
    if at < Timestamp::EPOCH { Err(Reason::Before1970) } else { Ok(at) }
}

/// The id of a reading that came without one. It must never change: a message may come again after an update.
///
/// FNV-1a 64 cannot give the same for two bodies that differ in one byte, or in neighbouring ones of the same number.
fn derived_id(body: &[u8]) -> ReadingId {
    ReadingId::given(fnv1a_64(body))
}

#[cfg(test)]
mod tests;
