//! Whatever bytes come in: no panic, and the same idea of JSON as `serde_json`.
//!
//! The fuzz targets (`fuzz/`, `scripts/fuzz.sh`) hold the same properties for as long as one likes.

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{Limits, Parsed, ProblemCode, Refused, parse_json, parse_ndjson, parse_original};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::IgnoredAny;

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// Texts of which many are JSON, many nearly, and many readings.
fn nearly_json() -> impl Strategy<Value = String> {
    let fragments = vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "{",
        "}",
        ",",
        ":",
        " ",
        "\n",
        "\t",
        "null",
        "true",
        "false",
        "\"deviceId\"",
        "\"temperature\"",
        "\"lat\"",
        "\"lon\"",
        "\"location\"",
        "\"at\"",
        "\"readingId\"",
        "\"DevId\"",
        "\"temp\"",
        "\"x\"",
        "\"\\u0061\\n\"",
        "\"\\ud800\"",
        "\"é\"",
        "0",
        "-0",
        "48.5",
        "1e999",
        "-1.5E-3",
        "01",
        "1.",
        "\"48.5\"",
        "\"2025-01-01T00:00:00Z\"",
        "\"",
        "\\",
        "\u{feff}",
        "\u{0}",
        r#"{"deviceId":"AL-0012","temperature":48.5,"lat":38.5698,"lon":45.6974}"#,
        r#"{"DevId":"AL-0012","Temp":48.5,"Lat":38.5698,"Lon":45.6974}"#,
        r#""location":{"lat":1,"lon":2},"#,
        r#"{"deviceId":"a","temperature":"#,
    ];
    prop_oneof![
        vec(select(fragments), 0..24).prop_map(|parts| parts.concat()),
        value().prop_map(|value| value.to_string()),
        nearly_a_reading(),
        vec(nearly_a_reading(), 0..4).prop_map(|readings| format!("[{}]", readings.join(","))),
    ]
}

/// All members of a reading in any order, a few of them bad, doubled or left out.
fn nearly_a_reading() -> impl Strategy<Value = String> {
    let members = vec![
        r#""deviceId":"AL-0012""#,
        r#""temperature":48.5"#,
        r#""lat":38.5698"#,
        r#""lon":4.56974e1"#,
        r#""at":"2025-01-01T00:00:00Z""#,
        r#""readingId":"x1""#,
    ];
    let faults = vec![r#""lat":91"#, r#""location":{"lat":1,"lon":1}"#, r#""at":null"#, r#""x":[1]"#, r#""deviceId":"""#, "", "x"];
    let whole = Just(members).prop_shuffle();
    (whole, vec(select(faults), 0..2), any::<prop::sample::Index>(), prop::bool::weighted(0.2)).prop_map(
        |(mut members, faults, at, is_short)| {
            if is_short {
                members.remove(at.index(members.len()));
            }
            members.extend(faults);
            format!("{{{}}}", members.join(" , "))
        },
    )
}

/// Values that are JSON, of the names and types of readings.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        (-200.0..200.0).prop_map(serde_json::Value::from),
        "\\PC{0,8}".prop_map(Into::into),
    ];
    scalar.prop_recursive(5, 60, 8, |inner| {
        let names = select(vec!["deviceId", "temperature", "lat", "lon", "location", "at", "readingId", "DevId", "x"]);
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Into::into),
            vec((names, inner), 0..8)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// A text with some bytes changed, which may make it no text at all.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (nearly_json(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (place, byte) in changes {
            if !bytes.is_empty() {
                let at = place.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    })
}

fn check_counts(parsed: &Parsed, visited: usize) -> Result<(), TestCaseError> {
    prop_assert_eq!(parsed.accepted, visited);
    let mut bad: Vec<usize> = parsed.rejected.iter().map(|rejection| rejection.index).collect();
    bad.dedup();
    prop_assert_eq!(parsed.accepted + bad.len(), parsed.total, "every reading is either taken or named");
    for (at, rejection) in parsed.rejected.iter().enumerate() {
        let is_told_again =
            parsed.rejected[..at].iter().any(|other| (other.index, &other.field) == (rejection.index, &rejection.field));
        prop_assert!(!is_told_again, "{} is told twice", rejection.field);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn json_is_what_serde_json_takes_for_json_and_every_reading_is_taken_or_named(body in damaged()) {
        let mut visited = 0;
        let parsed = parse_json(&body, &Limits::default(), NOW, |index| ReadingId::given(index as u64), |_| visited += 1);
        let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
        let is_json = serde_json::from_slice::<IgnoredAny>(text).is_ok();
        match parsed {
            Ok(parsed) => {
                prop_assert!(is_json, "taken for JSON");
                check_counts(&parsed, visited)?;
            }
            Err(Refused::NotJson(malformed)) => {
                // We alone refuse half a surrogate pair, where serde_json need not look at the text.
                prop_assert!(!is_json || malformed.to_string().contains("surrogate"), "{}", malformed);
                prop_assert!(malformed.at <= body.len());
            }
            Err(Refused::NotUtf8 { at }) => prop_assert!(std::str::from_utf8(&body[..at]).is_ok()),
            Err(refused @ (Refused::TooDeep(_) | Refused::TooManyReadings { .. })) => prop_assert!(false, "{}", refused),
        }
    }

    #[test]
    fn each_line_gives_alone_what_it_gives_among_others(lines in vec(nearly_json().prop_map(|line| line.replace('\n', " ")), 0..6)) {
        let body = lines.join("\n");
        let limits = Limits::default();
        let mut together = Vec::new();
        let parsed = parse_ndjson(body.as_bytes(), &limits, NOW, |_| ReadingId::given(1), |taken| together.push(taken))
            .expect("it is UTF-8 and short");
        check_counts(&parsed, together.len())?;
        let mut alone = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let line = if at == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
            let before = alone.len();
            let is_single = line.trim_start().starts_with('{');
            if is_single && parse_json(line.as_bytes(), &limits, NOW, |_| ReadingId::given(1), |taken| alone.push(taken)).is_err() {
                alone.truncate(before);
            }
        }
        prop_assert_eq!(together, alone);
    }

    #[test]
    fn the_original_format_panics_on_no_bytes_and_agrees_what_json_is(body in damaged()) {
        let original = parse_original(&body, None, &Limits::default(), NOW, || ReadingId::given(1));
        let is_json = serde_json::from_slice::<IgnoredAny>(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body)).is_ok();
        match original.map_err(|refused| (refused.code(), refused.to_string())) {
            Ok(_) | Err((ProblemCode::InvalidReading, _)) => prop_assert!(is_json),
            Err((ProblemCode::NotJson, told)) => prop_assert!(!is_json || told.contains("surrogate"), "{}", told),
            Err((code, _)) => prop_assert_eq!(code, ProblemCode::NotUtf8),
        }
    }

    #[test]
    fn noise_panics_nowhere(body: Vec<u8>) {
        let limits = Limits::default();
        let _ = parse_json(&body, &limits, NOW, |_| ReadingId::given(1), |_| {});
        let _ = parse_ndjson(&body, &limits, NOW, |_| ReadingId::given(1), |_| {});
        let _ = parse_original(&body, None, &limits, NOW, || ReadingId::given(1));
    }
}
