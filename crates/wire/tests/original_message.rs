//! Messages of the original's broker as every version reads them: `golden/original_messages_v1.ndjson`.

use fieldwatch_domain::Timestamp;
use fieldwatch_wire::ingest::{Limits, LocalClock, OriginalRefused, parse_original_message, parse_rfc3339};
use fieldwatch_wire::text::write_timestamp;
use serde_json::{Map, Value, json};

fn text(moment: Timestamp) -> String {
    let mut out = String::new();
    write_timestamp(&mut out, moment);
    out
}

/// What the message of a row means.
fn meaning(row: &Map<String, Value>) -> Value {
    let part = |name: &str| row[name].as_str();
    let clock = LocalClock::in_zone(part("zone").expect("a zone")).expect("a known zone");
    let received = parse_rfc3339(part("received").expect("a time")).expect("RFC 3339");
    let body = part("body").expect("a body").as_bytes();
    match parse_original_message(body, part("messageId"), &clock, &Limits::default(), received) {
        Ok(message) => {
            let reading = message.accepted.reading;
            json!({
                "deviceId": message.accepted.device_id,
                "temperature": reading.temperature.steps(),
                "lat": reading.location.latitude(),
                "lon": reading.location.longitude(),
                "at": reading.at.map(text),
                "tooFarAhead": message.too_far_ahead.map(text),
                "readingId": reading.id.to_string(),
            })
        }
        Err(OriginalRefused::Reading(rejections)) => {
            json!({ "refused": rejections.iter().map(|bad| format!("{}: {}", bad.field, bad.reason)).collect::<Vec<_>>() })
        }
        Err(OriginalRefused::Body(refused)) => json!({ "refused": refused.to_string() }),
        Err(OriginalRefused::MediaType(error)) => panic!("a message has no media type: {error}"),
    }
}

#[test]
fn messages_mean_what_they_meant_in_the_first_version() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/original_messages_v1.ndjson");
    let golden = std::fs::read_to_string(path).expect("the golden file");
    let mut seen = 0;
    for line in golden.lines() {
        let row: Map<String, Value> = serde_json::from_str(line).expect("a row");
        assert_eq!(meaning(&row), row["means"], "{line}");
        seen += 1;
    }
    assert_eq!(seen, 19, "rows are only ever added");
}
