//! Which content types are taken where.

use thiserror::Error;

/// How a body of readings is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    /// One JSON value: a reading, or an array of readings.
    Json,
    /// One reading a line.
    Ndjson,
}

/// The content type is not taken there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the content type must be {wanted}")]
pub struct UnsupportedMediaType {
    /// What is taken.
    pub wanted: &'static str,
}

impl BodyFormat {
    /// The format that a `Content-Type` announces to the API: `application/x-ndjson` (also `application/ndjson`,
    /// `application/jsonl` and `application/x-jsonlines`, names that the same format goes by), or JSON under any name that
    /// the original took. Without one it is JSON. Parameters such as `charset` are ignored: the bytes must be UTF-8 anyhow.
    ///
    /// # Errors
    /// For any other type.
    pub fn of(content_type: Option<&str>) -> Result<Self, UnsupportedMediaType> {
        const NDJSON: [&str; 4] = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];
        let Some(content_type) = content_type.map(essence) else {
            return Ok(Self::Json);
        };
        if NDJSON.iter().any(|name| name.eq_ignore_ascii_case(content_type)) {
            Ok(Self::Ndjson)
        } else if is_json(content_type) {
            Ok(Self::Json)
        } else {
            Err(UnsupportedMediaType { wanted: "application/json or application/x-ndjson" })
        }
    }
}

/// Whether the original endpoints take a `Content-Type`: `application/json`, `text/json`, `application/*+json`, or none.
pub(super) fn check_original(content_type: Option<&str>) -> Result<(), UnsupportedMediaType> {
    if content_type.is_none_or(|content_type| is_json(essence(content_type))) {
        return Ok(());
    }
    Err(UnsupportedMediaType { wanted: "application/json, text/json, or application/*+json" })
}

/// The media type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

/// No type at all (an empty header says as much as none), or one of JSON's.
fn is_json(essence: &str) -> bool {
    let lower = essence.to_ascii_lowercase();
    lower.is_empty()
        || lower == "application/json"
        || lower == "text/json"
        || lower.strip_prefix("application/").and_then(|subtype| subtype.strip_suffix("+json")).is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_takes_json_under_any_of_its_names_or_none() {
        for taken in [
            None,
            Some(""),
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
            Some("text/json;charset=utf-8"),
            Some("application/vnd.device+json"),
        ] {
            assert_eq!(check_original(taken), Ok(()), "{taken:?}");
        }
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/xml",
            "application/jsonx",
            "application/+json",
            "text/vnd.a+json",
            "application/x-ndjson",
            "multipart/form-data; boundary=application/json",
        ] {
            assert!(check_original(Some(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn the_api_tells_json_and_ndjson_by_their_content_type() {
        assert_eq!(BodyFormat::of(None), Ok(BodyFormat::Json));
        assert_eq!(BodyFormat::of(Some("application/json; charset=utf-8")), Ok(BodyFormat::Json));
        assert_eq!(BodyFormat::of(Some("application/X-NDJSON;charset=utf-8")), Ok(BodyFormat::Ndjson));
        assert!(BodyFormat::of(Some("text/csv")).is_err());
    }
}
