//! Any text as a time: no panic, and what is taken is told back as the same moment.
#![no_main]

use fieldwatch_wire::ingest::parse_rfc3339;
use fieldwatch_wire::text::write_timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(moment) = parse_rfc3339(text) {
        let mut told = String::new();
        write_timestamp(&mut told, moment);
        // A zone can push a moment of the first or last day out of the years that can be written.
        if (-62_167_219_200_000..=253_402_300_799_999).contains(&moment.unix_ms()) {
            assert_eq!(parse_rfc3339(&told), Some(moment), "{text} became {told}");
        }
    }
});
