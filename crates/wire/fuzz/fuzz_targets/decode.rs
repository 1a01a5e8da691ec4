#![no_main]
//! Compressed bodies.

use fieldwatch_wire::ingest::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    const MOST: usize = 1 << 20;
    for encoding in ["gzip", "zstd"] {
        if let Ok(decoded) = decode(Some(encoding), body, MOST) {
            assert!(decoded.len() <= MOST);
        }
    }
});
