//! Snapshots and frames as text: devices in columns of numbers.

use fieldwatch_directory::DeviceRow;
use fieldwatch_wire::text::{write_integer, write_json_string};

/// The ids, numbers and departures of one message, as they are put together.
#[derive(Default)]
pub(crate) struct Columns {
    ids: String,
    numbers: String,
    gone: String,
}

/// What kind of message columns are sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A part of the snapshot; whether it is the last.
    Snapshot { last: bool },
    /// What has changed.
    Frame,
}

impl Columns {
    /// The id of the device that gets the next number.
    pub(crate) fn push_id(&mut self, id: &str) {
        separate(&mut self.ids);
        write_json_string(&mut self.ids, id);
    }

    /// A device whose values are told.
    pub(crate) fn push_number(&mut self, number: u32) {
        separate(&mut self.numbers);
        write_integer(&mut self.numbers, u64::from(number));
    }

    /// A device that is not there any more.
    pub(crate) fn push_gone(&mut self, number: u32) {
        separate(&mut self.gone);
        write_integer(&mut self.gone, u64::from(number));
    }

    /// Whether nothing is told.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.gone.is_empty()
    }

    /// The whole message. `values` are those of the devices in the order of their numbers ([`write_values`]).
    pub(crate) fn message(&self, kind: Kind, position: u64, values: &str) -> String {
        let fixed = 160;
        let mut text = String::with_capacity(fixed + self.ids.len() + self.numbers.len() + values.len() + self.gone.len());
        text.push_str("id: ");
        write_integer(&mut text, position);
        text.push_str(match kind {
            Kind::Snapshot { .. } => "\nevent: snapshot\ndata: {\"position\":",
            Kind::Frame => "\nevent: frame\ndata: {\"position\":",
        });
        write_integer(&mut text, position);
        if let Kind::Snapshot { last } = kind {
            text.push_str(if last { ",\"last\":true" } else { ",\"last\":false" });
        }
        for part in [",\"ids\":[", &self.ids, "],\"i\":[", &self.numbers, "],", values] {
            text.push_str(part);
        }
        if kind == Kind::Frame {
            text.push_str(",\"gone\":[");
            text.push_str(&self.gone);
            text.push(']');
        }
        text.push_str("}\n\n");
        text
    }
}

/// Writes the columns of values: `"t":[…],"lat":[…],"lon":[…],"at":[…],"s":[…]`.
pub(crate) fn write_values(rows: &[DeviceRow]) -> String {
    // What a device's values usually take, so that the text is seldom moved while it grows.
    let mut text = String::with_capacity(40 + 48 * rows.len());
    write_column(&mut text, "\"t\":[", rows, |row| i64::from(row.temperature.steps()));
    write_column(&mut text, "],\"lat\":[", rows, |row| i64::from(row.location.latitude()));
    write_column(&mut text, "],\"lon\":[", rows, |row| i64::from(row.location.longitude()));
    write_column(&mut text, "],\"at\":[", rows, |row| row.last_seen.unix_ms());
    write_column(&mut text, "],\"s\":[", rows, |row| i64::from(row.status.number()));
    text.push(']');
    text
}

fn write_column(text: &mut String, name: &str, rows: &[DeviceRow], value: impl Fn(&DeviceRow) -> i64) {
    text.push_str(name);
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        let value = value(row);
        if value < 0 {
            text.push('-');
        }
        write_integer(text, value.unsigned_abs());
    }
}

fn separate(list: &mut String) {
    if !list.is_empty() {
        list.push(',');
    }
}
