//! Readers beside a writer, in this process and in another.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use fieldwatch_segment_log::{FRAME_HEADER_BYTES, Log, LogReader, OpenError, ReadError, SEGMENT_HEADER_BYTES, verify};
use proptest::prelude::*;

use crate::support::{KIND, fill, folder, open, payload, read_all, read_on, unsynced};

#[test]
fn a_reader_follows_a_writer_in_another_thread() {
    const COMMITS: usize = 400;
    let dir = folder();
    let (mut log, _) = open(dir.path(), 20_000);
    let readers = [log.reader(), log.reader()];
    thread::scope(|scope| {
        for reader in readers {
            scope.spawn(move || {
                let deadline = Instant::now() + Duration::from_mins(1);
                let mut cursor = reader.frames_from(0);
                let mut ordinal = 0;
                while ordinal < COMMITS {
                    assert!(Instant::now() < deadline, "only {ordinal} commits were seen");
                    match cursor.next_frame().expect("read") {
                        Some(frame) => {
                            assert_eq!(frame.payload, payload(ordinal, ordinal * 13 % 2000));
                            ordinal += 1;
                        }
                        None => thread::yield_now(),
                    }
                }
                assert_eq!(cursor.position(), reader.end());
            });
        }
        fill(&mut log, (0..COMMITS).map(|ordinal| ordinal * 13 % 2000));
    });
}

#[test]
fn a_reader_of_another_process_sees_more_after_a_refresh() {
    let dir = folder();
    assert!(matches!(LogReader::open_read_only(dir.path(), KIND), Err(OpenError::Absent { .. })));
    let (mut log, _) = open(dir.path(), 2000);
    let mut committed = fill(&mut log, [100, 200]);
    let beside = LogReader::open_read_only(dir.path(), KIND).expect("open to read");
    let mut cursor = beside.frames_from(0);
    assert_eq!(read_on(&mut cursor).0, committed);
    for _ in 0..4 {
        let more = fill(&mut log, [900, 901, 902]);
        assert_eq!(read_on(&mut cursor).0, Vec::<Vec<u8>>::new());
        beside.refresh().expect("refresh");
        assert_eq!(read_on(&mut cursor).0, more);
        assert_eq!((beside.end(), cursor.position()), (log.end(), log.end()));
        committed.extend(more);
    }
    assert_eq!(read_all(&beside), committed);
    assert_eq!(beside.segments(), log.segments());
}

#[test]
fn a_reader_of_another_process_is_never_misled_by_a_commit_in_progress() {
    const COMMITS: usize = 300;
    let dir = folder();
    let (mut log, _) = open(dir.path(), 30_000);
    thread::scope(|scope| {
        let beside = LogReader::open_read_only(dir.path(), KIND).expect("open to read");
        let dir = &dir;
        scope.spawn(move || {
            let deadline = Instant::now() + Duration::from_mins(1);
            let mut cursor = beside.frames_from(0);
            let mut ordinal = 0;
            while ordinal < COMMITS {
                assert!(Instant::now() < deadline, "only {ordinal} commits were seen");
                beside.refresh().expect("refresh");
                let (seen, outcome) = read_on(&mut cursor);
                outcome.expect("read");
                for frame in seen {
                    assert_eq!(frame, payload(ordinal, ordinal * 37 % 9000));
                    ordinal += 1;
                }
                let checked = verify(dir.path(), KIND, &mut |_| {}).expect("verify");
                assert_eq!(checked.damages, []);
            }
        });
        fill(&mut log, (0..COMMITS).map(|ordinal| ordinal * 37 % 9000));
    });
}

#[test]
fn a_log_of_many_segments_is_read_with_a_bounded_number_of_open_files() {
    const SEGMENTS: usize = 400;
    let dir = folder();
    let (mut log, _) = Log::open(dir.path(), unsynced(100)).expect("open");
    let committed = fill(&mut log, vec![50; SEGMENTS]);
    assert_eq!(log.segments().len(), SEGMENTS);
    assert_eq!(read_all(&log.reader()), committed);
    let descriptors = fs::read_dir("/proc/self/fd").expect("list descriptors");
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let open_files = targets.filter(|target| target.starts_with(dir.path())).count();
    assert!((2..=260).contains(&open_files), "{open_files} files are open");
    assert_eq!(read_all(&log.reader()), committed, "closed files open again");
}

#[test]
fn frames_larger_than_a_read_and_many_small_ones_come_in_order() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 3 << 20);
    let lengths: Vec<usize> = (0..300).map(|ordinal| if ordinal % 50 == 7 { 900_000 } else { ordinal * 7 }).collect();
    let committed = fill(&mut log, lengths);
    assert_eq!(read_all(&log.reader()), committed);
}

#[test]
fn bytes_are_read_by_address_up_to_the_end_of_a_segment() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    let first = log.commit(&[b"0123456789"]).expect("commit");
    log.roll().expect("roll");
    let second = log.commit(&[b"abcdef"]).expect("commit");
    let reader = log.reader();
    let mut buffer = [0; 100];
    assert_eq!(reader.read_at(first.address_of_payload + 3, &mut buffer).expect("read"), 7);
    assert_eq!(&buffer[..7], b"3456789");
    assert_eq!(reader.read_at(second.address_of_payload, &mut buffer[..4]).expect("read"), 4);
    assert_eq!(&buffer[..4], b"abcd");
    assert_eq!(reader.read_at(second.end - 1, &mut buffer).expect("read"), 1);
    assert_eq!(reader.read_at(second.end, &mut buffer).expect("read"), 0);
    assert_eq!(reader.read_at(u64::MAX, &mut buffer).expect("read"), 0);
}

#[test]
fn an_address_beyond_the_end_is_an_error_and_not_an_end() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    fill(&mut log, [10]);
    let end = log.end();
    let beyond = log.reader().frames_from(end + 1).next_frame().map(|_| ());
    assert!(matches!(beyond, Err(ReadError::BeyondEnd { address, end: at }) if (address, at) == (end + 1, end)));
    let within = log.reader().frames_from(SEGMENT_HEADER_BYTES + 3).next_frame().map(|_| ());
    assert!(matches!(within, Err(ReadError::Corrupt { offset: 67, .. })), "{within:?}");
}

#[test]
fn a_cursor_that_waits_at_the_end_of_a_finished_segment_goes_on_in_the_next() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    fill(&mut log, [10]);
    let mut cursor = log.reader().frames_from(0);
    assert_eq!(read_on(&mut cursor).0.len(), 1);
    log.roll().expect("roll");
    assert_eq!(read_on(&mut cursor).0.len(), 0);
    assert_eq!(cursor.position(), log.reader().end());
    let more = fill(&mut log, [20]);
    assert_eq!(read_on(&mut cursor).0, more);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_frame_at_an_address_is_found_whether_it_is_known_or_not(
        lengths in prop::collection::vec(prop_oneof![0usize..2000, 50_000usize..300_000], 1..40),
        segment_bytes in 5000u64..2_000_000,
        probes in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let dir = folder();
        let (mut log, _) = open(dir.path(), segment_bytes);
        let frames: Vec<(u64, u64)> = lengths.into_iter().enumerate().map(|(ordinal, length)| {
            let committed = log.commit(&[&payload(ordinal, length)]).expect("commit");
            (committed.address_of_payload - FRAME_HEADER_BYTES, committed.end)
        }).collect();
        let end = log.end();
        // The writer knows its frames, the other reader those of the last segment only.
        let beside = LogReader::open_read_only(dir.path(), KIND).expect("open to read");
        let random = probes.iter().map(|probe| probe.index(end as usize + 1) as u64);
        let borders = frames.iter().flat_map(|(start, end)| [*start, start + FRAME_HEADER_BYTES, end - 1, *end]);
        for address in random.chain(borders) {
            let expected = frames.iter().find(|(_, end)| *end > address).map_or(end, |(start, _)| *start);
            for reader in [&log.reader(), &beside] {
                let found = reader.seek_frame(address).expect("seek");
                prop_assert_eq!(found, expected, "for {}", address);
                if found < end {
                    let mut cursor = reader.frames_from(found);
                    let frame = cursor.next_frame().expect("read").expect("a frame");
                    prop_assert_eq!((frame.start(), frame.end() > address), (found, true));
                }
            }
        }
    }
}
