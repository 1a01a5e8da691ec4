//! Any bytes as an entry of the queue: no panic; what is read is written again as it was read.
#![no_main]

use fieldwatch_wire::queued::{ENTRY_HEADER, Request, read_request, write_describe, write_edit, write_forget, write_reading};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok((device_id, request)) = read_request(body) else { return };
    if device_id.len() > 128 {
        return; // Ingest takes no longer ones, and the header of an entry has no room for them.
    }
    let mut written = Vec::new();
    match &request {
        Request::Record(reading) => write_reading(&mut written, 0, device_id, reading),
        Request::Describe(command, description) => write_describe(&mut written, 0, device_id, *command, description),
        Request::Edit(command, edit) => write_edit(&mut written, 0, device_id, *command, edit),
        Request::Forget(command) => write_forget(&mut written, 0, device_id, *command),
    }
    assert_eq!(read_request(&written[ENTRY_HEADER..]), Ok((device_id, request)));
});
