//! One message of a partition: up to 1 000 lines, and in its headers what recognises it when it comes again.
//!
//! | header | |
//! |---|---|
//! | `fieldwatch-format` | 1 |
//! | `fieldwatch-sender` | who sent it: one life of a process, 16 hexadecimal digits |
//! | `fieldwatch-number` | which of that sender's messages of this partition it is, from 1 |
//! | `fieldwatch-settled` | all its numbers up to this one will never be sent again |
//!
//! Whoever else publishes needs only the first. One with more than 1 000 lines or 4 MiB is of no known format. A message without lines asks its receiver to notice that the partition is its.

use super::topology::text;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use std::ops::Range;

const FORMAT: i64 = 1;
/// How many lines a message has at most.
pub(crate) const MOST_LINES: usize = 1_000;
/// How many bytes the lines of a message have at most, unless one line alone has more.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// A body with more is none of ours, and too much for those who would have to decide it at once.
const MOST_BODY_BYTES: usize = 4 << 20;

/// By which a message is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) sender: u64,
    pub(super) number: u64,
    pub(super) settled: u64,
}

/// The properties of a message with lines.
pub(super) fn properties(mark: Option<Mark>) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("fieldwatch-format".into(), AMQPValue::LongLongInt(FORMAT));
    if let Some(Mark { sender, number, settled }) = mark {
        headers.insert("fieldwatch-sender".into(), text(&format!("{sender:016x}")));
        headers.insert("fieldwatch-number".into(), AMQPValue::LongLongInt(number as i64));
        headers.insert("fieldwatch-settled".into(), AMQPValue::LongLongInt(settled as i64));
    }
    BasicProperties::default().with_headers(headers).with_delivery_mode(2).with_content_type("application/x-ndjson".into())
}

/// What the headers of a message say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Lines.
    Lines(Option<Mark>),
    /// Something that is not known here.
    Unknown,
}

pub(super) fn read(properties: &BasicProperties) -> Format {
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let get = |name: &str| headers.and_then(|headers| headers.get(name));
    if get("fieldwatch-format").and_then(number) != Some(FORMAT) {
        return Format::Unknown;
    }
    let sender = get("fieldwatch-sender").and_then(as_text).and_then(|sender| u64::from_str_radix(&sender, 16).ok());
    let count = |name| get(name).and_then(number).and_then(|number| u64::try_from(number).ok());
    let mark = match (sender, count("fieldwatch-number"), count("fieldwatch-settled")) {
        (Some(sender), Some(number), settled) if number > 0 => Some(Mark { sender, number, settled: settled.unwrap_or(0) }),
        _ => None,
    };
    Format::Lines(mark)
}

/// Where the lines of a body are; blank ones do not count. `None` when there is more than a message may have.
pub(super) fn lines(body: &[u8]) -> Option<Vec<Range<usize>>> {
    if body.len() > MOST_BODY_BYTES {
        return None;
    }
    let mut lines = Vec::new();
    let mut from = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let range = from..from + line.trim_ascii_end().len();
        from += line.len();
        if !line.trim_ascii().is_empty() {
            if lines.len() == MOST_LINES {
                return None;
            }
            lines.push(range);
        }
    }
    Some(lines)
}

pub(super) fn number(value: &AMQPValue) -> Option<i64> {
    Some(match value {
        AMQPValue::ShortShortInt(number) => i64::from(*number),
        AMQPValue::ShortShortUInt(number) => i64::from(*number),
        AMQPValue::ShortInt(number) => i64::from(*number),
        AMQPValue::ShortUInt(number) => i64::from(*number),
        AMQPValue::LongInt(number) => i64::from(*number),
        AMQPValue::LongUInt(number) => i64::from(*number),
        AMQPValue::LongLongInt(number) => *number,
        // Some programs can only send text.
        AMQPValue::LongString(_) | AMQPValue::ShortString(_) => as_text(value)?.parse().ok()?,
        _ => return None,
    })
}

pub(super) fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_marked_is_read_back() {
        let mark = Mark { sender: u64::MAX - 4, number: 7, settled: 6 };
        assert_eq!(read(&properties(Some(mark))), Format::Lines(Some(mark)));
        assert_eq!(read(&properties(None)), Format::Lines(None));
    }

    #[test]
    fn another_format_or_none_is_unknown() {
        assert_eq!(read(&BasicProperties::default()), Format::Unknown);
        let mut headers = FieldTable::default();
        headers.insert("fieldwatch-format".into(), text("1"));
        assert_eq!(read(&BasicProperties::default().with_headers(headers.clone())), Format::Lines(None));
        headers.insert("fieldwatch-format".into(), AMQPValue::LongInt(2));
        assert_eq!(read(&BasicProperties::default().with_headers(headers)), Format::Unknown);
    }

    #[test]
    fn lines_end_as_they_like_and_blank_ones_do_not_count() {
        assert_eq!(lines(b"ab\n\r\ncd\r\n  \ne"), Some(vec![0..2, 5..7, 12..13]));
        assert_eq!(lines(b""), Some(Vec::new()));
        assert_eq!(lines(b"\n"), Some(Vec::new()));
    }

    #[test]
    fn a_body_with_more_lines_or_bytes_than_a_message_may_have_is_not_taken_apart() {
        let all = "a\n".repeat(MOST_LINES) + "\n";
        assert_eq!(lines(all.as_bytes()).map(|lines| lines.len()), Some(MOST_LINES));
        assert_eq!(lines((all + "a").as_bytes()), None);
        let mut long = vec![b'a'; MOST_BODY_BYTES];
        assert_eq!(lines(&long).map(|lines| lines.len()), Some(1));
        long.push(b'a');
        assert_eq!(lines(&long), None);
    }
}
