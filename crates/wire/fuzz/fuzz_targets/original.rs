#![no_main]
//! The original format; and that it is no stricter than the API's.

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{Limits, parse_json, parse_original};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let now = Timestamp::from_unix_ms(1_767_225_600_000);
    let limits = Limits::default();
    let _ = parse_original(body, None, &limits, now, || ReadingId::given(1));

    let Ok(text) = std::str::from_utf8(body) else {
        return;
    };
    let renamed = text
        .replace("\"DevId\"", "\"deviceId\"")
        .replace("\"Temp\"", "\"temperature\"")
        .replace("\"Lat\"", "\"lat\"")
        .replace("\"Lon\"", "\"lon\"");
    let mut taken = Vec::new();
    let parsed = parse_json(renamed.as_bytes(), &limits, now, |_| ReadingId::given(1), |accepted| taken.push(accepted));
    let is_plain = text.trim_start_matches('\u{feff}').trim_start().starts_with('{') && !text.contains("deviceId");
    let has_only_ours =
        !["temperature", "lat\"", "lon\"", "location", "at\"", "readingId", "\\"].iter().any(|ours| text.contains(ours));
    if is_plain && has_only_ours && parsed.is_ok_and(|parsed| parsed.accepted == 1) {
        let original =
            parse_original(body, None, &limits, now, || ReadingId::given(1)).expect("the original takes what the API takes");
        assert_eq!(original, taken.remove(0));
    }
});
