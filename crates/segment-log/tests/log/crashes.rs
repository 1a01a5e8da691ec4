//! A crash leaves half a frame, half a segment, or zeros. None of it is damage, and none of it is data.

use std::{fs, io::Write, path::Path};

use fieldwatch_segment_log::{Log, LogReader, SEGMENT_HEADER_BYTES, verify};
use proptest::prelude::*;

use crate::support::{KIND, copy_of, fill, folder, open, payload, read_all, segment_files, unsynced};

fn newest(dir: &Path) -> std::path::PathBuf {
    segment_files(dir).pop().expect("a log has a segment")
}

fn cut_to(file: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(length)).expect("cut");
}

fn add(file: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).open(file).and_then(|mut file| file.write_all(bytes)).expect("add");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Every byte of the last segment is tried as the place of the cut. `garbled` bytes before it have not reached the
    /// disk, but the length of the file has.
    #[test]
    fn a_log_cut_at_any_byte_opens_with_a_prefix_of_its_commits_and_goes_on(
        lengths in prop::collection::vec(0usize..150, 1..8),
        segment_bytes in 200u64..700,
        garbled in 0usize..40,
    ) {
        let dir = folder();
        let (mut log, _) = Log::open(dir.path(), unsynced(segment_bytes)).expect("open");
        let mut ends = vec![0];
        let mut committed = Vec::new();
        for (ordinal, length) in lengths.into_iter().enumerate() {
            committed.push(payload(ordinal, length));
            ends.push(log.commit(&[&committed[ordinal]]).expect("commit").end);
        }
        let base = log.segments().last().expect("a log has a segment").base;
        drop(log);
        for address in base..=ends[ends.len() - 1] {
            let copy = copy_of(dir.path());
            let file = newest(copy.path());
            cut_to(&file, address - base);
            let whole = ends.iter().rposition(|end| *end <= address).expect("the log begins at 0");
            let in_doubt = (address - ends[whole].max(base + SEGMENT_HEADER_BYTES).min(address)).min(garbled as u64);
            let mut bytes = fs::read(&file).expect("read");
            let kept = bytes.len() - in_doubt as usize;
            bytes[kept..].fill(0);
            fs::write(&file, bytes).expect("write");

            let (mut log, opened) = Log::open(copy.path(), unsynced(segment_bytes)).expect("open");
            prop_assert_eq!(&read_all(&log.reader()), &committed[..whole], "cut at {}", address);
            prop_assert!(opened.cut_bytes <= address - ends[whole]);
            log.commit(&[b"after the crash"]).expect("commit");
            drop(log);
            let (log, opened) = Log::open(copy.path(), unsynced(segment_bytes)).expect("open");
            prop_assert_eq!(opened.cut_bytes, 0);
            let mut expected = committed[..whole].to_vec();
            expected.push(b"after the crash".to_vec());
            prop_assert_eq!(read_all(&log.reader()), expected);
        }
    }
}

#[test]
fn half_a_commit_is_cut_and_counted() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    let payloads = fill(&mut log, [300, 300, 300]);
    let end = log.end();
    drop(log);
    cut_to(&newest(dir.path()), end - 1);
    let beside = LogReader::open_read_only(dir.path(), KIND).expect("open to read");
    assert_eq!(read_all(&beside), payloads[..2]);
    assert_eq!(fs::metadata(newest(dir.path())).expect("metadata").len(), end - 1, "reading must not cut");
    let checked = verify(dir.path(), KIND, &mut |_| {}).expect("verify");
    assert_eq!((checked.frames, checked.unfinished_bytes, checked.damages), (2, 323, vec![]));

    let (log, opened) = open(dir.path(), 10_000);
    assert_eq!(opened.cut_bytes, 323);
    assert_eq!(read_all(&log.reader()), payloads[..2]);
}

#[test]
fn zeros_behind_the_last_commit_are_cut_without_a_word() {
    let dir = folder();
    let (mut log, before) = open(dir.path(), 100_000);
    let payloads = fill(&mut log, [300]);
    let end = log.end();
    drop(log);
    add(&newest(dir.path()), &vec![0; 70_000]);
    let (log, opened) = open(dir.path(), 100_000);
    assert_eq!((opened.cut_bytes, opened.end, opened.log_id), (0, end, before.log_id));
    assert_eq!(read_all(&log.reader()), payloads);
    assert_eq!(fs::metadata(newest(dir.path())).expect("metadata").len(), end);
}

#[test]
fn noise_behind_the_last_commit_is_cut_though_it_holds_copies_of_frames() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 1 << 20);
    let payloads = fill(&mut log, [300, 50, 700]);
    drop(log);
    let file = newest(dir.path());
    let copies = fs::read(&file).expect("read");
    add(&file, &[b"x", &copies[64..], &copies[64..]].concat());
    let (log, opened) = open(dir.path(), 1 << 20);
    assert_eq!(opened.cut_bytes, 2 * (copies.len() as u64 - 64) + 1);
    assert_eq!(read_all(&log.reader()), payloads);
}

#[test]
fn a_segment_whose_creation_was_interrupted_is_removed() {
    for header in [&[][..], &b"FWSEGLOG\x01\x00 half a"[..], &[0; 64][..]] {
        let dir = folder();
        let (mut log, before) = open(dir.path(), 10_000);
        let payloads = fill(&mut log, [100, 200]);
        let end = log.end();
        drop(log);
        let half_created = dir.path().join(format!("{end:020}.seg"));
        fs::write(&half_created, header).expect("write");
        let unfinished = dir.path().join(format!("{end:020}.seg.tmp"));
        fs::write(&unfinished, header).expect("write");
        let beside = LogReader::open_read_only(dir.path(), KIND).expect("open to read");
        assert_eq!(read_all(&beside), payloads);
        assert_eq!(verify(dir.path(), KIND, &mut |_| {}).expect("verify").damages, []);

        let (mut log, opened) = open(dir.path(), 10_000);
        assert_eq!((opened.end, opened.log_id), (end, before.log_id));
        assert_eq!(read_all(&log.reader()), payloads);
        assert!(!half_created.exists() && !unfinished.exists());
        log.roll().expect("roll to the same name");
        log.commit(&[b"more"]).expect("commit");
    }
}

#[test]
fn an_interrupted_first_segment_is_begun_anew() {
    let dir = folder();
    fs::write(dir.path().join("00000000000000000000.seg"), b"FWSEG").expect("write");
    let (mut log, opened) = open(dir.path(), 10_000);
    assert_eq!(opened.end, SEGMENT_HEADER_BYTES);
    let payloads = fill(&mut log, [10]);
    assert_eq!(read_all(&log.reader()), payloads);
}
