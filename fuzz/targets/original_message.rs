//! Any body and any message id from the original's broker, received at any moment in a zone with changing clocks: no panic, and
//! what is taken is believable.
#![no_main]

use fieldwatch_domain::Timestamp;
use fieldwatch_wire::ingest::{Limits, LocalClock, parse_original_message};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static CLOCK: LazyLock<LocalClock> = LazyLock::new(|| LocalClock::in_zone("Europe/Amsterdam").expect("a built-in zone"));

fuzz_target!(|input: (u32, Option<&str>, &[u8])| {
    let (seconds, message_id, body) = input;
    let now = Timestamp::from_unix_ms(i64::from(seconds) * 1000);
    let limits = Limits::default();
    if let Ok(message) = parse_original_message(body, message_id, &CLOCK, &limits, now) {
        let reading = message.accepted.reading;
        fieldwatch_domain::check_device_id(&message.accepted.device_id).expect("what is taken was checked");
        assert_eq!(reading.at.is_none(), message.too_far_ahead.is_some());
        assert!(reading.at.is_none_or(|at| Timestamp::EPOCH <= at && at <= now.plus(limits.max_ahead)));
    }
});
