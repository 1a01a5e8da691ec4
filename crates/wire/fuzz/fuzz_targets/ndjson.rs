#![no_main]
//! One reading a line.

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{Limits, parse_json, parse_ndjson};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let now = Timestamp::from_unix_ms(1_767_225_600_000);
    let limits = Limits::default();
    let mut together = Vec::new();
    let Ok(parsed) = parse_ndjson(body, &limits, now, |_| ReadingId::given(1), |taken| together.push(taken)) else {
        return;
    };
    assert_eq!(parsed.accepted, together.len());
    // Each line alone gives what it gives among the others.
    let mut alone = Vec::new();
    for line in body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).split(|byte| *byte == b'\n') {
        let is_single = line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if is_single {
            let before = alone.len();
            if parse_json(line, &limits, now, |_| ReadingId::given(1), |taken| alone.push(taken)).is_err() {
                alone.truncate(before);
            }
        }
    }
    assert_eq!(together, alone);
});
