#![no_main]
//! One JSON value: a reading or an array of them.

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{Limits, ProblemCode, parse_json};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fuzz_target!(|body: &[u8]| {
    let now = Timestamp::from_unix_ms(1_767_225_600_000);
    let mut visited = 0;
    let parsed = parse_json(body, &Limits::default(), now, |index| ReadingId::given(index as u64), |_| visited += 1);
    let is_json = serde_json::from_slice::<IgnoredAny>(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).is_ok();
    match parsed {
        Ok(parsed) => {
            assert!(is_json);
            assert_eq!(parsed.accepted, visited);
            let mut bad: Vec<usize> = parsed.rejected.iter().map(|rejection| rejection.index).collect();
            bad.dedup();
            assert_eq!(parsed.accepted + bad.len(), parsed.total, "every reading is either taken or named");
        }
        Err(refused) if refused.code() == ProblemCode::NotJson => {
            // We alone refuse half a surrogate pair, where serde_json need not look at the text.
            assert!(!is_json || refused.to_string().contains("surrogate"), "{refused}");
        }
        Err(_) => {}
    }
});
