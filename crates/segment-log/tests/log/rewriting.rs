//! Erasing bytes of a finished segment.

use std::{fs, path::Path};

use fieldwatch_segment_log::{RewriteError, verify};

use crate::support::{KIND, copy_of, fill, flip, folder, open, payload, read_all, read_on, segment_files};

#[test]
fn erased_bytes_are_gone_from_the_file_and_for_readers_and_all_else_stays() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    let secret = *b"the name of somebody";
    let mut committed = vec![payload(0, 500), payload(1, 600), payload(2, 700)];
    committed[1][100..120].copy_from_slice(&secret);
    for payload in &committed {
        log.commit(&[payload]).expect("commit");
    }
    log.roll().expect("roll");
    committed.extend(fill(&mut log, [50]));
    assert!(holds(&segment_files(dir.path())[0], &secret));
    // This cursor has the second frame in its buffer.
    let mut cursor = log.reader().frames_from(0);
    cursor.next_frame().expect("read").expect("first frame");

    let mut addresses = Vec::new();
    let changed = log.rewrite_segment(0, &mut |address, payload| {
        addresses.push(address);
        if payload.len() == 600 {
            payload[100..120].fill(0);
        }
        payload.len() == 600
    });
    assert!(changed.expect("rewrite"));
    assert_eq!(addresses, [88, 88 + 500 + 24, 88 + 500 + 24 + 600 + 24]);
    committed[1][100..120].fill(0);
    assert_eq!(read_on(&mut cursor).0, committed[1..]);
    assert_eq!(read_all(&log.reader()), committed);
    assert!(!holds(&segment_files(dir.path())[0], &secret));

    drop(log);
    assert_eq!(verify(dir.path(), KIND, &mut |_| {}).expect("verify").damages, []);
    let (log, _) = open(dir.path(), 10_000);
    assert_eq!(read_all(&log.reader()), committed);
}

fn holds(file: &Path, wanted: &[u8]) -> bool {
    fs::read(file).expect("read").windows(wanted.len()).any(|bytes| bytes == wanted)
}

#[test]
fn a_segment_without_a_change_is_not_touched() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    fill(&mut log, [500]);
    log.roll().expect("roll");
    let untouched = copy_of(dir.path());
    assert!(!log.rewrite_segment(0, &mut |_, _| false).expect("rewrite"));
    assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 2, "no copy is left behind");
    assert_eq!(
        fs::read(&segment_files(dir.path())[0]).expect("read"),
        fs::read(&segment_files(untouched.path())[0]).expect("read")
    );
}

#[test]
fn only_a_finished_and_sound_segment_is_rewritten() {
    let dir = folder();
    let (mut log, _) = open(dir.path(), 10_000);
    fill(&mut log, [500, 500]);
    let unfinished = log.rewrite_segment(0, &mut |_, _| true);
    assert!(matches!(unfinished, Err(RewriteError::NotSealed { base: 0 })), "{unfinished:?}");
    log.roll().expect("roll");
    flip(&segment_files(dir.path())[0], 64 + 524 + 100, 1);
    let before = fs::read(&segment_files(dir.path())[0]).expect("read");
    let damaged = log.rewrite_segment(0, &mut |_, _| true);
    assert!(matches!(damaged, Err(RewriteError::Unreadable(_))), "{damaged:?}");
    assert_eq!(fs::read(&segment_files(dir.path())[0]).expect("read"), before, "damage is never signed as sound");
    assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 2, "no copy is left behind");
}
