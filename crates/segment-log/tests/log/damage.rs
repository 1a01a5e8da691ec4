//! Bytes that had reached the disk have changed. That is said, with file and offset, and never repaired in silence.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use fieldwatch_segment_log::{Damage, Log, LogReader, OpenError, ReadError, verify};
use proptest::prelude::*;

use crate::support::{KIND, copy_of, fill, flip, folder, open, options, read_all, read_on, segment_files, unsynced};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Every byte of every frame but the last is tried, and every byte of the segment headers.
    #[test]
    fn a_flipped_byte_is_found_and_never_read_as_data_or_cut(
        lengths in prop::collection::vec(0usize..60, 2..6),
        segment_bytes in 150u64..400,
        mask in 1u8..=255,
    ) {
        let dir = folder();
        let (mut log, _) = Log::open(dir.path(), unsynced(segment_bytes)).expect("open");
        let committed = fill(&mut log, lengths);
        let last = log.end() - 24 - committed[committed.len() - 1].len() as u64;
        let segments = log.segments();
        drop(log);
        for address in 0..last {
            let segment = segments.iter().rfind(|segment| segment.base <= address).expect("the log begins at 0");
            let copy = copy_of(dir.path());
            let file = copy.path().join(segment.path.file_name().expect("a file has a name"));
            flip(&file, (address - segment.base) as usize, mask);
            let changed = fs::read(&file).expect("read");

            let outcome = catch_unwind(AssertUnwindSafe(|| open_and_read(copy.path(), segment_bytes)));
            let (read, found) = outcome.expect("no panic");
            prop_assert!(found, "byte {} of {:?} changed, and nobody noticed", address, segment);
            prop_assert_eq!(&read[..], &committed[..read.len()]);
            prop_assert_eq!(fs::read(&file).expect("read"), changed, "the file was changed");
            let checked = verify(copy.path(), KIND, &mut |_| {});
            prop_assert!(!matches!(checked, Ok(sound) if sound.damages.is_empty()), "verify missed byte {}", address);
        }
    }
}

/// What can be read, and whether the damage was found on opening or on reading.
fn open_and_read(dir: &std::path::Path, segment_bytes: u64) -> (Vec<Vec<u8>>, bool) {
    let Ok((log, opened)) = Log::open(dir, unsynced(segment_bytes)) else { return (Vec::new(), true) };
    assert_eq!(opened.cut_bytes, 0, "damage was cut");
    let (read, outcome) = read_on(&mut log.reader().frames_from(0));
    (read, outcome.is_err())
}

#[test]
fn damage_before_the_last_commit_stops_with_file_and_offset() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 1 << 20);
    fill(&mut log, [1000, 1000, 1000]);
    drop(log);
    let file = segment_files(dir.path()).pop().expect("a segment");
    // The second frame starts at 64 + 24 + 1000.
    flip(&file, 1500, 1);
    let refused = Log::open(dir.path(), options(1 << 20)).expect_err("damaged");
    assert_eq!(refused.to_string(), format!("segment {} is damaged at byte 1088: not a valid frame", file.display()));
    let beside = LogReader::open_read_only(dir.path(), KIND);
    assert!(matches!(beside, Err(OpenError::Corrupt { offset: 1088, damage: Damage::Frame, .. })), "{beside:?}");

    let mut sound = 0;
    let checked = verify(dir.path(), KIND, &mut |_| sound += 1).expect("verify");
    assert_eq!((checked.frames, sound), (2, 2), "the frame behind the damage is read too");
    assert_eq!(checked.damages.len(), 1);
    assert_eq!((checked.damages[0].offset, checked.damages[0].bytes), (1088, 1024));
}

#[test]
fn damage_in_a_finished_segment_is_found_by_its_reader() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 1 << 20);
    let payloads = fill(&mut log, [100, 100]);
    log.roll().expect("roll");
    fill(&mut log, [100]);
    drop(log);
    flip(&segment_files(dir.path())[0], 64 + 124 + 30, 0x80);
    let (log, _) = open(dir.path(), 1 << 20);
    let mut cursor = log.reader().frames_from(0);
    let (read, outcome) = read_on(&mut cursor);
    assert_eq!(read, payloads[..1]);
    assert!(matches!(outcome, Err(ReadError::Corrupt { offset: 188, .. })), "{outcome:?}");
    assert_eq!(cursor.position(), 188);
}

#[test]
fn damage_before_an_empty_last_segment_is_found_on_opening() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 1 << 20);
    fill(&mut log, [100]);
    log.roll().expect("roll");
    drop(log);
    // The last frame of all, but the segment after it proves that it was synced.
    flip(&segment_files(dir.path())[0], 100, 1);
    let refused = Log::open(dir.path(), options(1 << 20));
    assert!(matches!(refused, Err(OpenError::Corrupt { offset: 64, .. })), "{refused:?}");
}

#[test]
fn a_missing_shortened_or_lengthened_segment_is_found_on_opening() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 300);
    fill(&mut log, [200, 200, 200]);
    assert_eq!(log.segments().len(), 3);
    drop(log);
    let check = |change: &dyn Fn(&[std::path::PathBuf]), expected: Damage| {
        let copy = copy_of(dir.path());
        change(&segment_files(copy.path()));
        let refused = Log::open(copy.path(), options(300));
        let found = matches!(&refused, Err(OpenError::Corrupt { damage, .. }) if *damage == expected);
        assert!(found, "expected {expected:?}: {refused:?}");
        let checked = verify(copy.path(), KIND, &mut |_| {}).expect("verify");
        assert!(checked.damages.iter().any(|found| found.damage == expected), "{checked:?}");
    };
    check(&|files| fs::remove_file(&files[1]).expect("remove"), Damage::EndsEarly);
    check(&|files| fs::write(&files[0], &fs::read(&files[0]).expect("read")[..200]).expect("write"), Damage::EndsEarly);
    check(&|files| fs::write(&files[0], [fs::read(&files[0]).expect("read"), vec![1]].concat()).expect("write"), Damage::EndsLate);
    check(&|files| fs::write(&files[1], b"short").expect("write"), Damage::SegmentHeader);
}

#[test]
fn an_only_segment_with_a_bad_header_is_never_begun_anew() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    fill(&mut log, [10]);
    log.roll().expect("roll");
    log.remove_before(u64::MAX).expect("remove");
    drop(log);
    let only = segment_files(dir.path()).pop().expect("a segment");
    fs::write(&only, b"short").expect("write");
    let refused = Log::open(dir.path(), options(10_000));
    assert!(matches!(refused, Err(OpenError::Corrupt { damage: Damage::SegmentHeader, .. })), "{refused:?}");
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    fill(&mut log, [10]);
    drop(log);
    let file = segment_files(dir.path()).pop().expect("a segment");
    flip(&file, 8, 1 ^ 7);
    let before = fs::read(&file).expect("read");
    let refused = Log::open(dir.path(), options(10_000));
    assert!(matches!(refused, Err(OpenError::NewerFormat { found: 7, supported: 1, .. })), "{refused:?}");
    assert_eq!(fs::read(&file).expect("read"), before);
}

#[test]
fn segments_of_two_logs_are_refused() {
    let (one, other) = (folder(), folder());
    for dir in [&one, &other] {
        let (mut log, _) = open(dir.path(), 10_000);
        fill(&mut log, [10]);
        log.roll().expect("roll");
    }
    fs::copy(&segment_files(other.path())[1], &segment_files(one.path())[1]).expect("copy");
    let refused = Log::open(one.path(), options(10_000));
    assert!(matches!(refused, Err(OpenError::OtherLog { .. })), "{refused:?}");
}

#[test]
fn a_payload_that_looks_like_a_frame_is_not_taken_for_one() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 1 << 20);
    fill(&mut log, [50]);
    // A copy of the whole file as a payload: true frames, but neither at their own address.
    let file = segment_files(dir.path()).pop().expect("a segment");
    let copy = fs::read(&file).expect("read");
    log.commit(&[&copy]).expect("commit");
    let end = log.end();
    drop(log);
    fs::OpenOptions::new().write(true).open(&file).and_then(|file| file.set_len(end - 1)).expect("cut");
    let (log, opened) = open(dir.path(), 1 << 20);
    assert_eq!(opened.cut_bytes, 24 + copy.len() as u64 - 1);
    assert_eq!(read_all(&log.reader()).len(), 1);
}
