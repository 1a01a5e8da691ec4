//! Any compressed body: no panic, and never more than the limit.
#![no_main]

use fieldwatch_wire::ingest::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &[u8])| {
    let (gzip, body) = input;
    if let Ok(decoded) = decode(Some(if gzip { "gzip" } else { "zstd" }), body, 1 << 16) {
        assert!(decoded.len() <= 1 << 16);
    }
});
