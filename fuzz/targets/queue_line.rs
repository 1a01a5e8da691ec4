//! A line of a partition at the broker: whoever publishes it, reading it gives an entry or an error, and an entry is written so
//! that it is read back as the same.
#![no_main]

use fieldwatch_wire::queued_line::{read_line, write_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let Ok((device_id, request)) = read_line(line) else { return };
    let mut written = String::new();
    write_line(&mut written, &device_id, &request);
    assert_eq!(read_line(written.as_bytes()), Ok((device_id, request)));
});
