//! Dead letters that are not to be shown any more are hidden at once, and erased from the disk.

use fieldwatch_broker::{DeadLetter, DeadLetters};
use fieldwatch_domain::Timestamp;
use fieldwatch_segment_log::SyncMode;
use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};
use tempfile::tempdir;

const DAY_MS: i64 = 24 * 3_600_000;
/// No place of the queue may be delivered again.
const ALL_DECIDED: u64 = u64::MAX;

fn open(dir: &Path) -> DeadLetters {
    DeadLetters::open(dir, SyncMode::Durable).expect("open")
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

/// The body of an entry names its device, too.
fn body(device_id: &str, place: u64) -> Vec<u8> {
    [b"body of ", device_id.as_bytes(), &place.to_le_bytes()].concat()
}

fn park(letters: &DeadLetters, place: u64, device_id: Option<&str>) -> u64 {
    let body = body(device_id.unwrap_or("nobody"), place);
    letters.park(place, at(0), "it failed", device_id, &body).expect("park")
}

fn ids(letters: &[DeadLetter]) -> Vec<u64> {
    letters.iter().map(|letter| letter.id).collect()
}

fn listed(letters: &DeadLetters) -> Vec<u64> {
    ids(&letters.list().expect("list"))
}

fn on_disk(dir: &Path) -> Vec<u64> {
    ids(&DeadLetters::read_only(dir).expect("read"))
}

/// Whether any file in the folder holds the text, as it is or in hexadecimal.
fn is_found(dir: &Path, text: &[u8]) -> bool {
    let hexadecimal: Vec<u8> = text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    fs::read_dir(dir).expect("list").any(|file| {
        let bytes = fs::read(file.expect("a file").path()).expect("read");
        [text, &hexadecimal].iter().any(|sought| bytes.windows(sought.len()).any(|bytes| bytes == *sought))
    })
}

#[test]
fn letters_of_a_forgotten_device_are_not_shown_from_then_on_requeued_ones_neither() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    letters.events_told(50);
    for (place, device_id) in [(1, Some("gone")), (2, Some("gone")), (3, Some("stays")), (4, None)] {
        park(&letters, place, device_id);
    }
    letters.requeued(2, at(0)).expect("requeue");
    assert_eq!(letters.device_ids(), ["gone", "stays"]);
    letters.device_forgotten("gone", 100);
    assert_eq!((listed(&letters), letters.waiting()), (vec![3, 4], 2));
    assert_eq!(letters.device_ids(), ["stays"]);
    assert_eq!(on_disk(dir.path()), [1, 2, 3, 4], "nothing is written yet");
    letters.settle().expect("settle");
    assert_eq!(on_disk(dir.path()), [3, 4]);
    letters.requeued(1, at(0)).expect("requeuing what was dropped meanwhile changes nothing");
    drop(letters);
    let letters = open(dir.path());
    assert_eq!((listed(&letters), letters.waiting()), (vec![3, 4], 2));
}

#[test]
fn letters_of_a_device_that_came_anew_stay_however_often_it_is_told_that_it_was_forgotten() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    letters.events_told(50);
    park(&letters, 1, Some("again"));
    letters.device_forgotten("again", 100);
    letters.events_told(100);
    // Parked before anybody asked for the letters.
    park(&letters, 2, Some("again"));
    letters.device_forgotten("again", 100);
    assert_eq!(listed(&letters), [2]);
    letters.tidy(at(0), ALL_DECIDED).expect("tidy");
    drop(letters);
    let letters = open(dir.path());
    letters.device_forgotten("again", 100);
    letters.tidy(at(0), ALL_DECIDED).expect("tidy");
    assert_eq!((listed(&letters), letters.waiting()), (vec![2], 1));
    letters.device_forgotten("again", 200);
    assert!(listed(&letters).is_empty());
}

#[test]
fn what_a_crash_kept_from_being_noted_is_hidden_when_it_is_told_again() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    park(&letters, 1, Some("gone"));
    letters.device_forgotten("gone", 100);
    assert!(listed(&letters).is_empty());
    drop(letters);
    let letters = open(dir.path());
    assert_eq!(listed(&letters), [1]);
    for id in letters.device_ids() {
        letters.device_forgotten(&id, 100);
    }
    assert_eq!((listed(&letters), letters.waiting()), (vec![], 0));
}

#[test]
fn neither_id_nor_body_of_a_forgotten_device_is_found_in_any_file_once_it_is_tidy() {
    let dir = tempdir().expect("temporary folder");
    let letters = DeadLetters::open(dir.path(), SyncMode::Never).expect("open");
    // So many that they are written anew in several frames.
    for place in 0..3_000 {
        let device_id = if place % 3 == 0 { "gone-42" } else { "stays" };
        letters.park(place, at(0), &"why ".repeat(200), Some(device_id), &body(device_id, place)).expect("park");
    }
    letters.requeued(1, at(0)).expect("requeue");
    letters.requeued(2, at(7)).expect("requeue");
    let mut kept = letters.list().expect("list");
    kept.retain(|letter| letter.device_id.as_deref() == Some("stays"));
    letters.device_forgotten("gone-42", 100);
    letters.settle().expect("settle");
    assert!(is_found(dir.path(), b"gone-42") && is_found(dir.path(), &body("gone-42", 3)), "hidden, and still there");
    letters.tidy(at(0), ALL_DECIDED).expect("tidy");
    for sought in [b"gone-42".to_vec(), body("gone-42", 0), body("gone-42", 3), body("gone-42", 2_997)] {
        assert!(!is_found(dir.path(), &sought), "{sought:?}");
    }
    assert!(is_found(dir.path(), &body("stays", 1)));
    for letters in [&letters.list().expect("list"), &DeadLetters::read_only(dir.path()).expect("read")] {
        assert_eq!(*letters, kept);
    }
    drop(letters);
    let letters = open(dir.path());
    assert_eq!(letters.list().expect("list"), kept);
    assert_eq!(letters.waiting(), 1_999);
    assert!(!is_found(dir.path(), b"gone-42"));
}

#[test]
fn ids_and_places_go_on_after_everything_was_erased() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    letters.events_told(10);
    park(&letters, 1, Some("gone"));
    park(&letters, 2, Some("gone"));
    letters.device_forgotten("gone", 100);
    letters.events_told(100);
    letters.tidy(at(0), ALL_DECIDED).expect("tidy");
    drop(letters);
    let letters = open(dir.path());
    assert_eq!((listed(&letters), letters.waiting()), (vec![], 0));
    assert_eq!(park(&letters, 3, Some("stays")), 3);
    letters.device_forgotten("nobody", 200);
    letters.tidy(at(0), ALL_DECIDED).expect("tidy");
    assert_eq!(park(&letters, 3, Some("stays")), 3, "recognised by its place");
}

#[test]
fn letters_requeued_thirty_days_ago_are_erased_and_younger_ones_are_kept() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    for place in 1..=3 {
        park(&letters, place, Some(["old", "young", "waiting"][place as usize - 1]));
    }
    letters.requeued(1, at(0)).expect("requeue");
    letters.requeued(2, at(1)).expect("requeue");
    letters.tidy(at(30 * DAY_MS - 1), ALL_DECIDED).expect("tidy");
    assert_eq!(listed(&letters), [1, 2, 3]);
    letters.tidy(at(30 * DAY_MS), ALL_DECIDED).expect("tidy");
    assert_eq!((listed(&letters), letters.waiting()), (vec![2, 3], 1));
    assert!(!is_found(dir.path(), b"old"));
    letters.tidy(at(1_000 * DAY_MS), ALL_DECIDED).expect("tidy");
    assert_eq!(on_disk(dir.path()), [3], "what waits, waits for ever");
}

#[test]
fn a_letter_that_may_be_delivered_again_is_kept_and_recognised() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    park(&letters, 10, Some("a"));
    park(&letters, 20, Some("a"));
    for id in [1, 2] {
        letters.requeued(id, at(0)).expect("requeue");
    }
    letters.tidy(at(100 * DAY_MS), 20).expect("tidy");
    assert_eq!(listed(&letters), [2]);
    drop(letters);
    let letters = open(dir.path());
    assert_eq!(park(&letters, 20, Some("a")), 2);
    assert_eq!(letters.waiting(), 0);
}

#[test]
fn the_log_does_not_grow_with_what_was_dropped_though_one_letter_waits_for_ever() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    park(&letters, 0, None);
    let bytes =
        || -> u64 { fs::read_dir(dir.path()).expect("list").map(|file| file.expect("file").metadata().expect("size").len()).sum() };
    letters.tidy(at(0), ALL_DECIDED).expect("tidy");
    let before = bytes();
    for round in 1..=20 {
        let id = letters.park(round, at(0), "it failed", Some("a"), &vec![7; 60_000]).expect("park");
        letters.requeued(id, at(0)).expect("requeue");
        letters.tidy(at(30 * DAY_MS), ALL_DECIDED).expect("tidy");
    }
    assert_eq!(listed(&letters), [1]);
    assert!(bytes() < before + 100_000, "{} bytes are more than {before}", bytes());
}

#[test]
fn a_crash_before_the_old_segments_are_gone_doubles_nothing_and_the_next_time_erases_them() {
    let (dir, saved) = (tempdir().expect("temporary folder"), tempdir().expect("temporary folder"));
    let letters = open(dir.path());
    for (place, device_id) in [(1, "gone"), (2, "requeued"), (3, "waiting")] {
        park(&letters, place, Some(device_id));
    }
    letters.requeued(2, at(5)).expect("requeue");
    letters.device_forgotten("gone", 100);
    letters.settle().expect("settle");
    let expected = letters.list().expect("list");
    drop(letters);
    let letters = open(dir.path());
    let copy = |from: &Path, to: &Path| {
        for file in fs::read_dir(from).expect("list") {
            let path = file.expect("a file").path();
            let target = to.join(path.file_name().expect("a name"));
            if !target.exists() {
                fs::copy(&path, target).expect("copy");
            }
        }
    };
    copy(dir.path(), saved.path());
    letters.tidy(at(0), ALL_DECIDED).expect("tidy");
    assert!(!is_found(dir.path(), b"gone"));
    drop(letters);
    let files_after = fs::read_dir(dir.path()).expect("list").count();
    copy(saved.path(), dir.path());
    assert!(fs::read_dir(dir.path()).expect("list").count() > files_after, "the old segment is there again");
    let letters = open(dir.path());
    assert!(is_found(dir.path(), b"gone"));
    assert_eq!(letters.list().expect("list"), expected);
    assert_eq!(DeadLetters::read_only(dir.path()).expect("read"), expected);
    assert_eq!(letters.waiting(), 1);
    letters.tidy(at(0), ALL_DECIDED).expect("tidy");
    assert!(!is_found(dir.path(), b"gone"));
    assert_eq!(letters.list().expect("list"), expected);
    assert_eq!(letters.waiting(), 1);
}

#[test]
fn whoever_lists_while_letters_are_erased_sees_the_rest_and_each_once() {
    let dir = tempdir().expect("temporary folder");
    let letters = DeadLetters::open(dir.path(), SyncMode::Never).expect("open");
    for place in 0..300 {
        park(&letters, place, Some("stays"));
    }
    let (done, lists) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut read = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..100 {
                let before = lists.load(Relaxed);
                park(&letters, 1_000 + round, Some("gone"));
                letters.events_told(round + 1);
                letters.device_forgotten("gone", round + 1);
                letters.tidy(at(0), ALL_DECIDED).expect("tidy");
                // Tidying comes once an hour, so it disturbs a list once and not again and again.
                while lists.load(Relaxed) == before {
                    std::thread::yield_now();
                }
            }
            done.store(true, Relaxed);
        });
        while !done.load(Relaxed) {
            read.push(letters.list());
            lists.fetch_add(1, Relaxed);
        }
    });
    for list in read {
        let list = list.expect("list");
        assert_eq!(list.iter().filter(|letter| letter.device_id.as_deref() == Some("stays")).count(), 300);
    }
    assert_eq!(listed(&letters).len(), 300);
}
