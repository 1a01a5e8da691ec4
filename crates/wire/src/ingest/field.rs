//! What each member of a reading has to be.
//!
//! One function a member, JSON value in, domain value or the reason of its refusal out; the formats differ in names and
//! in what they let pass, not in this.

use super::decimal::Steps;
use super::json::{Kind, Value};
use super::refusal::Reason;
use super::{Limits, parse_rfc3339};
use fieldwatch_domain::{Celsius, Location, ReadingId, Timestamp, check_device_id};
use std::borrow::Cow;

/// Whether a number may also come as a text that spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Only JSON numbers.
    Plain,
    /// Also `"48.5"`, as the original took it.
    AlsoAsText,
}

pub(super) fn device_id(value: Value<'_>) -> Result<Cow<'_, str>, Reason> {
    let Value::Text(text) = value else {
        return Err(Reason::WrongType { wanted: "text", found: value.kind() });
    };
    known_device_id(&text)?;
    Ok(text)
}

pub(super) fn known_device_id(text: &str) -> Result<&str, Reason> {
    check_device_id(text).map_err(Reason::DeviceId)?;
    Ok(text)
}

pub(super) fn temperature(value: &Value<'_>, numbers: Numbers, limits: &Limits) -> Result<Celsius, Reason> {
    believed(steps(value, numbers, 4)?, limits)
}

pub(super) fn believed(steps: Steps, limits: &Limits) -> Result<Celsius, Reason> {
    let (least, most) = (limits.temperature_min, limits.temperature_max);
    if steps.floor < i64::from(least.steps()) || steps.ceiling > i64::from(most.steps()) {
        return Err(Reason::TemperatureOutOfRange { least, most });
    }
    // Limits outside of what a temperature can be at all are a mistake in the settings; the type has the last word.
    Celsius::new(steps.nearest).map_err(|_| Reason::TemperatureOutOfRange { least, most })
}

pub(super) fn latitude(value: &Value<'_>, numbers: Numbers) -> Result<i32, Reason> {
    on_the_globe(steps(value, numbers, 7)?, Location::MAX_LATITUDE)
}

pub(super) fn longitude(value: &Value<'_>, numbers: Numbers) -> Result<i32, Reason> {
    on_the_globe(steps(value, numbers, 7)?, Location::MAX_LONGITUDE)
}

pub(super) fn on_the_globe(steps: Steps, most: i32) -> Result<i32, Reason> {
    if steps.floor < i64::from(-most) || steps.ceiling > i64::from(most) {
        return Err(Reason::NotOnTheGlobe { most: (most / Location::STEPS_PER_DEGREE) as u8 });
    }
    Ok(steps.nearest as i32)
}

fn steps(value: &Value<'_>, numbers: Numbers, places: u32) -> Result<Steps, Reason> {
    let text = match (value, numbers) {
        (Value::Number(text), _) => text,
        (Value::Text(text), Numbers::AlsoAsText) => text.as_ref(),
        (Value::Text(_) | Value::Other(_), _) => return Err(Reason::WrongType { wanted: "a number", found: value.kind() }),
    };
    Steps::parse(text, places).ok_or(Reason::NotANumber)
}

pub(super) fn at(value: &Value<'_>, limits: &Limits, now: Timestamp) -> Result<Timestamp, Reason> {
    time(optional_text(value, "an RFC 3339 time")?, limits, now)
}

pub(super) fn time(text: &str, limits: &Limits, now: Timestamp) -> Result<Timestamp, Reason> {
    let at = parse_rfc3339(text).ok_or(Reason::NotATime)?;
    if at < Timestamp::EPOCH {
        return Err(Reason::Before1970);
    }
    if at > now.plus(limits.max_ahead) {
        return Err(Reason::TooFarAhead { minutes: limits.max_ahead.as_secs() / 60 });
    }
    Ok(at)
}

pub(super) fn reading_id(value: &Value<'_>) -> Result<ReadingId, Reason> {
    ReadingId::new(optional_text(value, "text")?).map_err(Reason::ReadingId)
}

/// `null` is refused where a member may be left out: a program that sends it believes it says something.
fn optional_text<'v>(value: &'v Value<'_>, wanted: &'static str) -> Result<&'v str, Reason> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Other(Kind::Null) => Err(Reason::Null { wanted }),
        Value::Number(_) | Value::Other(_) => Err(Reason::WrongType { wanted, found: value.kind() }),
    }
}
