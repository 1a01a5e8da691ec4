//! The promises of the dead letters, against real files.

use fieldwatch_broker::{DeadLetter, DeadLetters, EntryForm};
use fieldwatch_domain::Timestamp;
use fieldwatch_segment_log::SyncMode;
use std::path::Path;
use tempfile::tempdir;

fn open(dir: &Path) -> DeadLetters {
    DeadLetters::open(dir, SyncMode::Durable).expect("open")
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn letter(id: u64, place: u64) -> DeadLetter {
    DeadLetter {
        id,
        place,
        parked_at: at(1000 + place as i64),
        reason: "its device \"failed\"".into(),
        device_id: Some("AL-0012".into()),
        form: EntryForm::Packed,
        body: vec![0, 1, 254, place as u8],
        requeued_at: None,
    }
}

fn park(letters: &DeadLetters, letter: &DeadLetter) -> u64 {
    letters.park(letter.place, letter.parked_at, &letter.reason, letter.device_id.as_deref(), &letter.body).expect("park")
}

#[test]
fn what_is_parked_is_listed_after_a_restart_too_and_beside_the_writer() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    let unreadable = DeadLetter { device_id: None, body: vec![], ..letter(2, 20) };
    assert_eq!(park(&letters, &letter(1, 10)), 1);
    assert_eq!(park(&letters, &unreadable), 2);
    let parked = [letter(1, 10), unreadable];
    assert_eq!(letters.list().expect("list"), parked);
    assert_eq!(DeadLetters::read_only(dir.path()).expect("read"), parked);
    drop(letters);
    let letters = open(dir.path());
    assert_eq!(letters.list().expect("list"), parked);
    assert_eq!(letters.waiting(), 2);
    assert_eq!(park(&letters, &letter(3, 30)), 3, "ids go on");
}

#[test]
fn a_place_is_parked_once_even_after_a_restart_and_after_it_was_requeued() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    assert_eq!(park(&letters, &letter(1, 10)), 1);
    assert_eq!(park(&letters, &letter(1, 10)), 1);
    letters.requeued(1, at(5000)).expect("requeue");
    assert_eq!(park(&letters, &letter(1, 10)), 1);
    drop(letters);
    let letters = open(dir.path());
    assert_eq!(park(&letters, &letter(1, 10)), 1);
    assert_eq!(letters.list().expect("list").len(), 1);
    assert_eq!(letters.waiting(), 0);
}

#[test]
fn another_entry_at_the_same_place_of_a_queue_begun_anew_is_a_letter_of_its_own() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    park(&letters, &letter(1, 10));
    assert_eq!(park(&letters, &DeadLetter { body: vec![9], ..letter(2, 10) }), 2);
}

#[test]
fn a_requeued_letter_waits_no_more_and_keeps_the_first_time() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    park(&letters, &letter(1, 10));
    park(&letters, &letter(2, 20));
    letters.requeued(1, at(5000)).expect("requeue");
    letters.requeued(1, at(6000)).expect("a second time changes nothing");
    assert_eq!(letters.waiting(), 1);
    let expected = [DeadLetter { requeued_at: Some(at(5000)), ..letter(1, 10) }, letter(2, 20)];
    assert_eq!(letters.list().expect("list"), expected);
    drop(letters);
    assert_eq!(open(dir.path()).waiting(), 1);
    assert_eq!(DeadLetters::read_only(dir.path()).expect("read"), expected);
}

#[test]
fn a_letter_that_is_not_there_cannot_be_requeued() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    park(&letters, &letter(1, 10));
    for id in [0, 2] {
        let refused = letters.requeued(id, at(5000)).expect_err("refused");
        assert_eq!(refused.to_string(), format!("cannot requeue from the dead letters: there is no letter {id}"));
    }
}

#[test]
fn without_a_folder_there_are_no_letters_and_none_is_made() {
    let dir = tempdir().expect("temporary folder");
    let absent = dir.path().join("absent");
    assert_eq!(DeadLetters::read_only(&absent).expect("read"), []);
    assert!(!absent.exists());
    assert_eq!(DeadLetters::read_only(dir.path()).expect("read"), []);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    park(&letters, &DeadLetter { reason: "ü".repeat(5000), ..letter(1, 10) });
    assert_eq!(letters.list().expect("list")[0].reason, "ü".repeat(1000));
}

#[test]
fn the_largest_entry_can_be_parked() {
    let dir = tempdir().expect("temporary folder");
    let letters = open(dir.path());
    let largest = DeadLetter { body: vec![255; 65_535], reason: "\u{1}".repeat(1000), ..letter(1, 10) };
    park(&letters, &largest);
    assert_eq!(letters.list().expect("list"), [largest]);
}

#[test]
fn a_record_of_a_newer_version_is_refused_and_named() {
    let dir = tempdir().expect("temporary folder");
    let (mut log, _) =
        fieldwatch_segment_log::Log::open(dir.path(), fieldwatch_segment_log::LogOptions::new(*b"DEAD")).expect("open the log");
    log.commit(&[b"\x02{}"]).expect("commit");
    let refused = DeadLetters::read_only(dir.path()).expect_err("refused").to_string();
    assert!(refused.contains("the record at 88 cannot be read: format 2 is newer than 1"), "{refused}");
}
