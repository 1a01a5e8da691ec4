//! One line of NDJSON as a reading. The line goes out as it came, with a reading id put in where it has none.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::{LineFault, RecordedReading, at_millis};

/// What has to be known of a line before it is sent; everything else is for the server to judge.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(rename = "deviceId", default, borrow, deserialize_with = "text_or_nothing")]
    device_id: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "text_or_nothing")]
    at: Option<Cow<'a, str>>,
    #[serde(rename = "readingId", default)]
    reading_id: Presence,
}

/// Whether a member is there, of whatever value.
#[derive(Default)]
struct Presence(bool);

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Presence, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Presence(true))
    }
}

fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Member<'a> {
        Text(#[serde(borrow)] Cow<'a, str>),
        Other(IgnoredAny),
    }
    Ok(match Member::deserialize(deserializer)? {
        Member::Text(text) => Some(text),
        Member::Other(_) => None,
    })
}

pub(super) fn reading(line: &str, reading_id: &str) -> Result<RecordedReading, LineFault> {
    let line = line.trim();
    let inside = line.strip_prefix('{').ok_or_else(|| LineFault::new("", "the line is not a JSON object"))?;
    let peek: Peek<'_> =
        serde_json::from_str(line).map_err(|error| LineFault::new("", format!("the line is not a reading: {error}")))?;
    let json = if peek.reading_id.0 {
        line.to_owned()
    } else {
        let comma = if inside.trim_start().starts_with('}') { "" } else { "," };
        format!(r#"{{"readingId":"{reading_id}"{comma}{inside}"#)
    };
    Ok(RecordedReading {
        device_id: peek.device_id.unwrap_or_default().into_owned(),
        at_millis: peek.at.as_deref().and_then(at_millis),
        json,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_sent_as_it_came_with_an_id_put_in() {
        for (line, json) in [
            (r#" {"deviceId":"a","lat":1.10} "#, r#"{"readingId":"id","deviceId":"a","lat":1.10}"#),
            (r#"{"deviceId":"a","readingId":"own"}"#, r#"{"deviceId":"a","readingId":"own"}"#),
            (r#"{"deviceId":"a","readingId":null}"#, r#"{"deviceId":"a","readingId":null}"#),
            ("{ }", r#"{"readingId":"id" }"#),
            (r#"{"deviceId":7,"at":{}}"#, r#"{"readingId":"id","deviceId":7,"at":{}}"#),
        ] {
            assert_eq!(reading(line, "id").expect(line).json, json);
        }
    }

    #[test]
    fn device_and_time_are_known_where_they_can_be_read() {
        let found = reading(r#"{"deviceId":"\u0061b","at":"1970-01-01T00:00:01.5Z"}"#, "id").expect("a reading");
        assert_eq!((found.device_id.as_str(), found.at_millis), ("ab", Some(1_500)));
    }

    #[test]
    fn what_is_no_object_or_repeats_a_name_is_not_sent() {
        for line in ["[]", "1", "{", r#"{"at":"a","at":"b"}"#, "{} x"] {
            assert!(reading(line, "id").is_err(), "{line}");
        }
    }
}
