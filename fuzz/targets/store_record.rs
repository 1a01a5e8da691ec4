//! Any bytes as records of the event store: no panic, and a walk over them always ends.
#![no_main]

use fieldwatch_wire::stored::{RECORD_HEADER, erase_record, read_record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok((_, length)) = read_record(rest) {
        assert!(length >= RECORD_HEADER && length <= rest.len());
        rest = &rest[length..];
    }
    let mut erased = bytes.to_vec();
    erase_record(&mut erased);
    assert_eq!(erased.len(), bytes.len());
});
