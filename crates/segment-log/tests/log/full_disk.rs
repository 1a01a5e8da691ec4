//! A full disk, on a small file system of its own.

use std::fs;

use fieldwatch_segment_log::{CommitError, Log, LogOptions, RewriteError, free_bytes};

use crate::{
    small_disk::SmallDisk,
    support::{options, payload, read_all},
};

/// Commits until the disk is full, and returns what was acknowledged.
fn fill_up(log: &mut Log, length: usize) -> Vec<Vec<u8>> {
    let mut committed = Vec::new();
    loop {
        let next = payload(committed.len(), length);
        match log.commit(&[&next]) {
            Ok(_) => committed.push(next),
            Err(CommitError::Full { .. }) => return committed,
            Err(error) => panic!("a full disk must be told as one: {error:?}"),
        }
    }
}

fn a_full_disk_loses_nothing_and_recovers(options: &LogOptions, length: usize) {
    let Some(disk) = SmallDisk::of("4m") else { return };
    let dir = disk.path().join("log");
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).expect("write ballast");
    let (mut log, _) = Log::open(&dir, options.clone()).expect("open");
    let mut committed = fill_up(&mut log, length);
    let free = free_bytes(&dir).expect("free bytes");
    assert!(free < length as u64 + (64 << 10), "{free} bytes were still free");
    assert!(matches!(log.commit(&[&payload(0, length)]), Err(CommitError::Full { .. })), "full again");
    assert!(!log.is_poisoned());
    assert_eq!(read_all(&log.reader()), committed);

    // A full disk must not keep the program down.
    drop(log);
    let (mut log, opened) = Log::open(&dir, options.clone()).expect("open on a full disk");
    assert_eq!(opened.cut_bytes, 0);
    assert_eq!(read_all(&log.reader()), committed);

    fs::remove_file(&ballast).expect("remove ballast");
    let more = fill_up(&mut log, length);
    assert!(more.len() * length > 800 << 10, "space that was freed is used: {} commits", more.len());
    committed.extend(more);
    assert_eq!(read_all(&log.reader()), committed);
    drop(log);
    let (log, opened) = Log::open(&dir, options.clone()).expect("open");
    assert_eq!(opened.cut_bytes, 0);
    assert_eq!(read_all(&log.reader()), committed);
}

#[test]
fn a_disk_that_fills_within_a_segment_loses_nothing_and_recovers() {
    a_full_disk_loses_nothing_and_recovers(&options(64 << 20), 10_007);
}

#[test]
fn a_disk_that_fills_between_segments_loses_nothing_and_recovers() {
    a_full_disk_loses_nothing_and_recovers(&options(200_000), 30_011);
}

#[test]
fn retention_makes_room_on_a_full_disk() {
    let Some(disk) = SmallDisk::of("4m") else { return };
    let (mut log, _) = Log::open(disk.path(), options(500_000)).expect("open");
    let committed = fill_up(&mut log, 40_000);
    let second = log.segments()[1].base;
    let kept = committed.len() - log_frames_before(&log, second);
    assert_eq!(log.remove_before(second).expect("remove"), second);
    log.commit(&[b"there is room"]).expect("commit");
    assert_eq!(read_all(&log.reader()).len(), kept + 1);
}

fn log_frames_before(log: &Log, address: u64) -> usize {
    let mut cursor = log.reader().frames_from(0);
    let mut frames = 0;
    while cursor.position() < address && cursor.next_frame().expect("read").is_some() {
        frames += 1;
    }
    frames
}

#[test]
fn a_rewrite_on_a_full_disk_leaves_the_segment_as_it_was() {
    let Some(disk) = SmallDisk::of("4m") else { return };
    let (mut log, _) = Log::open(disk.path(), options(1 << 20)).expect("open");
    let committed = fill_up(&mut log, 40_000);
    let files = fs::read_dir(disk.path()).expect("list").count();
    let refused = log.rewrite_segment(0, &mut |_, payload| {
        payload.fill(0);
        true
    });
    assert!(matches!(refused, Err(RewriteError::Full { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(disk.path()).expect("list").count(), files, "no copy is left behind");
    assert_eq!(read_all(&log.reader()), committed);
}
