//! Any body of NDJSON: no panic, and every line that is not blank is taken or told.
#![no_main]

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{Limits, parse_ndjson};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let mut visited = 0;
    let now = Timestamp::from_unix_ms(1_767_225_600_000);
    let parsed = parse_ndjson(body, &Limits::default(), now, |index| ReadingId::given(index as u64), |_| visited += 1);
    if let Ok(parsed) = parsed {
        assert_eq!(parsed.accepted, visited);
        let mut bad: Vec<usize> = parsed.rejected.iter().map(|rejection| rejection.index).collect();
        bad.dedup();
        assert_eq!(parsed.accepted + bad.len(), parsed.total);
    }
});
