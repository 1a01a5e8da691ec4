#![no_main]
//! Times.

use fieldwatch_wire::ingest::parse_rfc3339;
use fieldwatch_wire::text::write_timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(moment) = parse_rfc3339(text) else {
        return;
    };
    let mut written = String::new();
    write_timestamp(&mut written, moment);
    // An offset may lead out of the years that can be written, which are held at their ends.
    let is_writable = (-62_167_219_200_000..=253_402_300_799_999).contains(&moment.unix_ms());
    assert!(!is_writable || parse_rfc3339(&written) == Some(moment), "{text} became {written}");
});
