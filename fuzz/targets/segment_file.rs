//! A segment file with any bytes written over it or cut off: opening and verifying it never panics, and a reader never gives
//! a frame that was not committed.
#![no_main]

use fieldwatch_segment_log::{Log, LogOptions, SyncMode, verify};
use libfuzzer_sys::fuzz_target;
use std::fs;

fuzz_target!(|input: (u16, Option<u16>, &[u8])| {
    let (at, cut, bytes) = input;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = || LogOptions { sync: SyncMode::Never, max_frame_bytes: 1 << 20, ..LogOptions::new(*b"FUZZ") };
    let committed: [&[u8]; 4] = [b"first", b"second frame", b"", &[7; 600]];
    let (mut log, _) = Log::open(dir.path(), options()).expect("an empty folder opens");
    for payload in committed {
        log.commit(&[payload]).expect("the disk takes it");
    }
    let path = log.segments()[0].path.clone();
    let end = log.end() as usize;
    drop(log);
    let mut file = fs::read(&path).expect("it was written");
    file.truncate(end);
    let at = usize::from(at) % file.len();
    for (place, byte) in file[at..].iter_mut().zip(bytes) {
        *place = *byte;
    }
    if let Some(cut) = cut {
        file.truncate(usize::from(cut) % (file.len() + 1));
    }
    fs::write(&path, &file).expect("the disk takes it");
    let _ = verify(dir.path(), *b"FUZZ", &mut |_| {});
    if let Ok((log, _)) = Log::open(dir.path(), options()) {
        let mut frames = log.reader().frames_from(0);
        let mut place = 0;
        while let Ok(Some(frame)) = frames.next_frame() {
            // A checksum of 32 bits is met by chance once in four billion tries; the fuzzer does not aim at it.
            assert_eq!(Some(&frame.payload), committed.get(place), "frame {place}");
            place += 1;
        }
    }
});
