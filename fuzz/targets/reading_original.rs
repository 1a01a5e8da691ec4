//! Any body in the original format, under any content type: no panic.
#![no_main]

use fieldwatch_domain::{ReadingId, Timestamp};
use fieldwatch_wire::ingest::{Limits, parse_original};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Option<&str>, &[u8])| {
    let (content_type, body) = input;
    let now = Timestamp::from_unix_ms(1_767_225_600_000);
    if let Ok(accepted) = parse_original(body, content_type, &Limits::default(), now, || ReadingId::given(1)) {
        fieldwatch_domain::check_device_id(&accepted.device_id).expect("what is taken was checked");
    }
});
