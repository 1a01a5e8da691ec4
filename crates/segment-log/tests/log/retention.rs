//! Removing old segments while others read.

use fieldwatch_segment_log::{LogReader, ReadError};

use crate::support::{KIND, fill, folder, open, read_all, read_on, segment_files};

#[test]
fn only_finished_segments_before_the_address_are_removed() {
    let dir = folder();
    let (mut log, before) = open(dir.path(), 1000);
    let committed = fill(&mut log, [800; 5]);
    let segments = log.segments();
    assert_eq!(segments.len(), 5);
    assert_eq!(log.remove_before(segments[1].end - 1).expect("remove"), segments[0].end);
    assert_eq!(segment_files(dir.path()).len(), 4);
    assert_eq!(log.remove_before(segments[2].end).expect("remove"), segments[2].end - segments[1].base);
    assert_eq!(log.reader().start(), segments[3].base);
    assert_eq!(read_all(&log.reader()), committed[3..]);
    log.remove_before(u64::MAX).expect("remove");
    assert_eq!(segment_files(dir.path()), [segments[4].path.clone()], "the last one is never removed");
    assert_eq!(log.bytes(), segments[4].end - segments[4].base);

    drop(log);
    let (mut log, opened) = open(dir.path(), 1000);
    assert_eq!((opened.start, opened.end, opened.log_id), (segments[4].base, segments[4].end, before.log_id));
    let more = fill(&mut log, [500]);
    assert_eq!(read_all(&log.reader()), [committed[4].clone(), more[0].clone()]);
}

#[test]
fn a_reader_at_a_removed_address_is_told_where_the_log_begins() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 1000);
    fill(&mut log, [300; 6]);
    let reader = log.reader();
    let beside = LogReader::open_read_only(dir.path(), KIND).expect("open to read");
    let mut cursor = reader.frames_from(0);
    cursor.next_frame().expect("read").expect("a frame");
    let mut cursor_beside = beside.frames_from(0);
    let earliest = log.segments()[1].base;
    log.remove_before(earliest).expect("remove");

    let is_gone = |error: ReadError| matches!(error, ReadError::Gone { earliest: at } if at == earliest);
    assert!(is_gone(cursor.next_frame().expect_err("gone")));
    assert!(is_gone(reader.read_at(100, &mut [0; 8]).expect_err("gone")));
    assert!(is_gone(cursor_beside.next_frame().expect_err("gone")));
    beside.refresh().expect("refresh");
    assert!(is_gone(cursor_beside.next_frame().expect_err("gone")));
    assert_eq!(reader.frames_from(0).position(), earliest);
    assert_eq!(read_all(&beside), read_all(&reader));
    assert_eq!(read_on(&mut reader.frames_from(earliest)).0.len(), 4);
}
