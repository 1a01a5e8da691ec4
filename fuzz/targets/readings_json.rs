//! Any body of JSON: no panic; what is taken or counted adds up; what is refused as not JSON is not JSON for serde either.
#![no_main]

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{Limits, ProblemCode, parse_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let mut visited = 0;
    let now = Timestamp::from_unix_ms(1_767_225_600_000);
    let parsed = parse_json(body, &Limits::default(), now, |index| ReadingId::given(index as u64), |_| visited += 1);
    match parsed {
        Ok(parsed) => {
            assert_eq!(parsed.accepted, visited);
            let mut bad: Vec<usize> = parsed.rejected.iter().map(|rejection| rejection.index).collect();
            bad.dedup();
            assert_eq!(parsed.accepted + bad.len(), parsed.total, "every reading is taken or told");
        }
        Err(refused) if refused.code() == ProblemCode::NotJson => {
            // serde takes more than JSON's grammar in nothing; a byte order mark it does not know.
            let text = std::str::from_utf8(body).expect("another code for that");
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}')).is_ok();
            assert!(!is_json, "{text}");
        }
        Err(_) => {}
    }
});
