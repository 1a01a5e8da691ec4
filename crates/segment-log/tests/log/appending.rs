//! Commit, roll, open again.

use fieldwatch_segment_log::{CommitError, FRAME_HEADER_BYTES, Log, LogReader, OpenError, SEGMENT_HEADER_BYTES};
use proptest::prelude::*;

use crate::support::{KIND, fill, folder, open, options, payload, read_all, read_on, segment_files};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_was_committed_is_read_back_across_segments_and_openings(
        sessions in prop::collection::vec(prop::collection::vec(0usize..3000, 0..12), 1..5),
        segment_bytes in 200u64..9000,
    ) {
        let dir = folder();
        let mut committed = Vec::new();
        let mut log_ids = Vec::new();
        for lengths in sessions {
            let (mut log, opened) = open(dir.path(), segment_bytes);
            prop_assert_eq!(opened.cut_bytes, 0);
            prop_assert_eq!(opened.end, log.end());
            log_ids.push(opened.log_id);
            committed.extend(fill(&mut log, lengths));
            prop_assert_eq!(&read_all(&log.reader()), &committed);
            for segment in log.segments() {
                let frames_of_one = segment.end - segment.base <= segment_bytes;
                prop_assert!(frames_of_one || read_frames(&log, segment.base, segment.end) == 1);
            }
        }
        log_ids.dedup();
        prop_assert_eq!(log_ids.len(), 1);
        let beside = LogReader::open_read_only(dir.path(), KIND).expect("open to read");
        prop_assert_eq!(&read_all(&beside), &committed);
    }
}

fn read_frames(log: &Log, from: u64, to: u64) -> usize {
    let mut cursor = log.reader().frames_from(from);
    let mut frames = 0;
    while cursor.position() < to && cursor.next_frame().expect("read").is_some() {
        frames += 1;
    }
    frames
}

#[test]
fn the_next_segment_begins_at_the_address_where_the_last_one_ends() {
    let dir = folder();
    let (mut log, opened) = open(dir.path(), 1000);
    assert_eq!((opened.start, opened.end), (0, SEGMENT_HEADER_BYTES));
    let first = log.commit(&[b"ab", b"", b"cd"]).expect("commit");
    assert_eq!(first.address_of_payload, SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES);
    assert_eq!(first.end, first.address_of_payload + 4);
    log.roll().expect("roll");
    log.roll().expect("roll an empty segment");
    let second = log.commit(&[b"ef"]).expect("commit");
    assert_eq!(second.address_of_payload, first.end + SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES);
    let names: Vec<_> = segment_files(dir.path()).iter().map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    assert_eq!(names, [Some("00000000000000000000.seg".into()), Some(format!("{:020}.seg", first.end).into())]);
    assert_eq!(log.bytes(), second.end);
    let segments = log.segments();
    assert_eq!(segments.iter().map(|segment| segment.sealed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(read_all(&log.reader()), [b"abcd".to_vec(), b"ef".to_vec()]);
}

#[test]
fn more_parts_than_one_system_call_takes_are_one_commit() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 1 << 20);
    let parts: Vec<Vec<u8>> = (0..5000).map(|ordinal| payload(ordinal, ordinal % 5)).collect();
    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    log.commit(&slices).expect("commit");
    assert_eq!(read_all(&log.reader()), [parts.concat()]);
}

#[test]
fn a_frame_larger_than_a_segment_has_one_of_its_own() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 500);
    let payloads = fill(&mut log, [100, 700_000, 100]);
    assert_eq!(log.segments().len(), 3);
    assert_eq!(read_all(&log.reader()), payloads);
}

#[test]
fn a_commit_beyond_the_limit_is_refused_and_changes_nothing() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    let refused = log.commit(&[&vec![0; 1 << 20], b"x"]);
    assert!(matches!(refused, Err(CommitError::TooLarge { bytes: 1_048_577, limit: 1_048_576 })), "{refused:?}");
    let payloads = fill(&mut log, [10]);
    assert_eq!(read_all(&log.reader()), payloads);
}

#[test]
fn a_log_of_another_kind_is_refused() {
    let dir = folder();
    open(dir.path(), 1000);
    let other = Log::open(dir.path(), fieldwatch_segment_log::LogOptions { kind: *b"READ", ..options(1000) });
    assert!(matches!(other, Err(OpenError::OtherKind { found: KIND, expected, .. }) if expected == *b"READ"));
    assert!(matches!(LogReader::open_read_only(dir.path(), *b"READ"), Err(OpenError::OtherKind { .. })));
}

#[test]
fn the_golden_log_of_version_1_is_read() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    let reader = LogReader::open_read_only(golden, KIND).expect("open to read");
    assert_eq!(reader.log_id().to_bytes(), *b"a fixed log id 1");
    let mut cursor = reader.frames_from(0);
    let first = cursor.next_frame().expect("read").expect("first frame");
    assert_eq!((first.address_of_payload, first.committed_at_ms), (88, 1_767_225_600_001));
    assert_eq!(first.payload, b"first commit");
    let (rest, outcome) = read_on(&mut cursor);
    outcome.expect("read to the end");
    assert_eq!(rest, [b"".to_vec(), b"\x00\xff third commit".to_vec()]);
}
