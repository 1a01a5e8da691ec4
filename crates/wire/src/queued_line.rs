//! What waits in a partition of the broker: one entry as a line of text, so that anybody can publish and read them.
//!
//! Format version 1, pinned by `golden/queued_line_v1.ndjson`. A reading is what the API takes, with `receivedAt` as one more
//! member; a command says its name first:
//!
//! ```text
//! {"deviceId":"AL-0012","temperature":48.5,"lat":38.5698,"lon":45.6974,"readingId":"x1","receivedAt":"2026-01-01T00:00:00.000Z"}
//! {"command":"describe","deviceId":"AL-0012","id":9,"name":"Truck","labels":["cold"]}
//! {"command":"edit","deviceId":"AL-0012","id":9,"name":null}
//! {"command":"forget","deviceId":"AL-0012","id":10}
//! ```
//!
//! An edit mentions what becomes of name, labels, or both; what it does not mention stays, and a name of null is cleared.
//!
//! Read as strictly as by the API: other or repeated names are refused. Temperatures are taken as far as one can be believed
//! at all, because the limits that are configured were held against it when it came in. A reading needs `receivedAt`: the time
//! of a delivery is another one with each delivery. Without `readingId` its id is a hash of the line, so that the same line
//! delivered again is the same reading.

mod command;

mod members;

use crate::damaged::Damaged;
use crate::ingest::{Accepted, Limits, parse_json, parse_rfc3339};
use crate::queued::Request;
use crate::text::{write_celsius, write_degrees, write_json_string, write_timestamp};
use fieldwatch_domain::{Celsius, Reading, ReadingId, Timestamp, fnv1a_64};
use members::Members;
use std::borrow::Cow;

/// What stands before the last member of a line that was written here, and how long that member and what follows are.
const RECEIVED_AT: &str = ",\"receivedAt\":\"";
const TIME: usize = "2026-01-01T00:00:00.000Z".len();
const TAIL: usize = RECEIVED_AT.len() + TIME + "\"}".len();
/// Lines up to this length are read without asking for memory.
const USUAL: usize = 512;

/// Appends a line, with its end.
pub fn write_line(out: &mut String, device_id: &str, request: &Request) {
    match request {
        Request::Record(reading) => write_reading(out, device_id, reading),
        Request::Describe(id, description) => command::write_describe(out, device_id, *id, description),
        Request::Edit(id, edit) => command::write_edit(out, device_id, *id, edit),
        Request::Forget(id) => command::write_forget(out, device_id, *id),
    }
    out.push('\n');
}

fn write_reading(out: &mut String, device_id: &str, reading: &Reading) {
    out.push_str("{\"deviceId\":");
    write_json_string(out, device_id);
    out.push_str(",\"temperature\":");
    write_celsius(out, reading.temperature);
    out.push_str(",\"lat\":");
    write_degrees(out, reading.location.latitude());
    out.push_str(",\"lon\":");
    write_degrees(out, reading.location.longitude());
    if let Some(at) = reading.at {
        out.push_str(",\"at\":\"");
        write_timestamp(out, at);
        out.push('"');
    }
    out.push_str(",\"readingId\":");
    if let Some(text) = reading.id.text() {
        write_json_string(out, text);
    } else {
        out.push('"');
        write_hexadecimal(out, reading.id.number().unwrap_or_default());
        out.push('"');
    }
    out.push_str(RECEIVED_AT);
    write_timestamp(out, reading.received_at);
    out.push_str("\"}");
}

/// As a reading's id that is a number is shown; without the cost of a formatter.
fn write_hexadecimal(out: &mut String, number: u64) {
    for digit in number.to_be_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
    }
}

/// Reads a line, with or without its end.
///
/// # Errors
/// When it is not an entry.
pub fn read_line(line: &[u8]) -> Result<(Cow<'_, str>, Request), Damaged> {
    let line = std::str::from_utf8(line).map_err(|_| Damaged("line that is not UTF-8"))?;
    let line = line.trim_end_matches(['\n', '\r', ' ', '\t']);
    if let Some(usual) = read_usual(line) {
        return Ok(usual);
    }
    let mut members = Members::of(line)?;
    if let Some(command) = members.take("command")? {
        return command::read(command, members);
    }
    let received_at = members.take("receivedAt")?.ok_or(Damaged("line without receivedAt"))?;
    let received_at: String = serde_json::from_str(received_at).map_err(|_| Damaged("line whose receivedAt is no time"))?;
    let received_at = parse_receipt(&received_at).ok_or(Damaged("line whose receivedAt is no time"))?;
    let rest = members.into_object();
    let (device_id, request) = read_reading(rest.as_bytes(), line, received_at)?;
    Ok((Cow::Owned(device_id.into_owned()), request))
}

/// Reads a time of receipt: not before 1970, and so far before the year 10 000 that a device's own time can be written, too.
fn parse_receipt(text: &str) -> Option<Timestamp> {
    const LAST: Timestamp = Timestamp::from_unix_ms(253_402_214_400_000);
    parse_rfc3339(text).filter(|at| (Timestamp::EPOCH..LAST).contains(at))
}

/// Reads a reading's line if `receivedAt` stands where it is always written here.
fn read_usual(line: &str) -> Option<(Cow<'_, str>, Request)> {
    let tail_at = line.len().checked_sub(TAIL)?;
    let time = line.get(tail_at..)?.strip_prefix(RECEIVED_AT)?.strip_suffix("\"}")?;
    let received_at = parse_receipt(time)?;
    // The reading as it was before the member was added: what is there up to it, and the closing brace.
    let mut room = [0; USUAL];
    let mut more;
    let reading: &mut [u8] = if tail_at < USUAL {
        &mut room[..=tail_at]
    } else {
        more = vec![0; tail_at + 1];
        &mut more
    };
    reading[..tail_at].copy_from_slice(&line.as_bytes()[..tail_at]);
    reading[tail_at] = b'}';
    let (device_id, request) = read_reading(reading, line, received_at).ok()?;
    let device_id = match device_id {
        // The same bytes are in the line.
        Cow::Borrowed(text) => {
            let from = text.as_ptr().addr() - reading.as_ptr().addr();
            Cow::Borrowed(line.get(from..from + text.len())?)
        }
        Cow::Owned(text) => Cow::Owned(text),
    };
    Some((device_id, request))
}

/// Reads a reading in the form of the API.
fn read_reading<'a>(json: &'a [u8], line: &str, received_at: Timestamp) -> Result<(Cow<'a, str>, Request), Damaged> {
    // Braces first: an array of readings is none.
    if json.first() != Some(&b'{') {
        return Err(Damaged("line that is no object"));
    }
    let limits =
        Limits { temperature_min: Celsius::LOWEST, temperature_max: Celsius::HIGHEST, max_readings: 1, ..Limits::default() };
    let mut taken = None;
    let new_id = |_| ReadingId::given(fnv1a_64(line.as_bytes()));
    let parsed = parse_json(json, &limits, received_at, new_id, |accepted| taken = Some(accepted));
    if parsed.is_err() {
        return Err(Damaged("line that is not JSON"));
    }
    let Accepted { device_id, reading } = taken.ok_or(Damaged("line that is not a reading"))?;
    Ok((device_id, Request::Record(reading)))
}

#[cfg(test)]
mod tests;
