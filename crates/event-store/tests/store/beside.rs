//! The commands that read the store's files beside a running server.

use crate::support::Folder;
use fieldwatch_domain::{DeviceEvent, DeviceNumbers};
use fieldwatch_event_store::{
    Entry, EventLogReader, Stored,
    conformance::{Fleet, save_all},
    verify,
};
use std::{fs, sync::Arc};

fn segment_files(folder: &Folder) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(folder.path().join("events")).expect("list").map(|entry| entry.expect("list").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")).collect();
    files.sort();
    files
}

#[tokio::test]
async fn another_process_reads_and_follows_the_events() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 3);
    for _ in 0..40 {
        opened.store.append(fleet.batch_of_anything(10, 8)).await.expect("append");
    }
    let numbers = Arc::new(DeviceNumbers::default());
    let mut reader = EventLogReader::open(folder.path(), Arc::clone(&numbers)).expect("open beside");
    assert_eq!(reader.log_id(), opened.store.log_id());
    let page = reader.events_after(0, usize::MAX, None).expect("read");
    assert!(page.at_end);
    let expected = opened.all_events(0, 100).await;
    let told = |events: &[fieldwatch_domain::RecordedEvent], numbers: &DeviceNumbers| -> Vec<(String, u64, u64)> {
        events.iter().map(|event| (numbers.id(event.device).to_string(), event.version, event.position)).collect()
    };
    assert_eq!(told(&page.events, &numbers), told(&expected, &opened.numbers));

    opened.store.append(fleet.reading("new", 1, 0).into()).await.expect("append");
    reader.refresh().expect("refresh");
    let more = reader.events_after(page.next, 10, None).expect("read");
    assert_eq!(told(&more.events, &numbers), [("new".to_owned(), 1, opened.store.newest())]);
    let of_one = reader.events_after(0, 10, numbers.find("new")).expect("read");
    assert_eq!(of_one.events.len(), 1);
}

#[tokio::test]
async fn what_was_forgotten_is_not_told_to_another_process_either() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 3);
    let numbers = Arc::new(DeviceNumbers::default());
    opened.store.append(fleet.reading("a", 1, 0).into()).await.expect("append");
    let mut reader = EventLogReader::open(folder.path(), numbers).expect("open beside");
    assert_eq!(reader.events_after(0, 10, None).expect("read").events.len(), 1);
    opened.store.append(fleet.forget("a").into()).await.expect("append");
    reader.refresh().expect("refresh");
    let events = reader.events_after(0, 10, None).expect("read").events;
    assert!(matches!(events.as_slice(), [event] if matches!(event.event, DeviceEvent::Forgotten)));
}

#[tokio::test]
async fn a_sound_store_has_no_problems_and_is_counted() {
    let folder = Folder::new();
    let mut opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 5);
    let mut count = [0_u64; 4];
    let mut counted = |stored: &Stored| {
        for entry in &stored.entries {
            match entry {
                Entry::Event(_) => count[0] += 1,
                Entry::Late(_) => count[1] += 1,
                Entry::Observation(_) => count[2] += 1,
                Entry::Passivated(_) => count[3] += 1,
            }
        }
    };
    for round in 0..60 {
        counted(&opened.store.append(fleet.batch_of_anything(20, 8)).await.expect("append"));
        if round % 25 == 20 {
            save_all(&opened, &fleet).await;
        }
        if round == 30 {
            drop(opened);
            opened = folder.open_now();
            fleet.move_to(&opened.numbers);
            opened.recover().await;
        }
    }
    let report = verify(folder.path(), None).expect("verify");
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.is_sound());
    assert_eq!([report.events, report.late_readings, report.observations, report.passivated], count);
    assert_eq!(report.devices, fleet.states().len() as u64);
    assert_eq!(report.snapshot_files, 64);
    assert!(report.states_compared > 20);
    let of_one = verify(folder.path(), Some("device-3")).expect("verify");
    assert!(of_one.is_sound() && of_one.devices == 1 && of_one.events < report.events);

    opened.store.tidy().await.expect("tidy");
    let report = verify(folder.path(), None).expect("verify");
    assert_eq!(report.problems, Vec::<String>::new(), "after erasure");
    assert!(report.erased > 0);
}

#[tokio::test]
async fn damage_is_told_with_its_place() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 5);
    for round in 0..200 {
        opened.store.append(fleet.reading("a", round % 90, 0).into()).await.expect("append");
    }
    save_all(&opened, &fleet).await;
    drop(opened);
    let file = segment_files(&folder)[0].clone();
    let mut bytes = fs::read(&file).expect("read");
    bytes[5_000] ^= 1;
    fs::write(&file, bytes).expect("write");
    let report = verify(folder.path(), None).expect("verify");
    assert!(!report.is_sound());
    assert!(report.problems.iter().any(|problem| problem.contains("not a valid frame")), "{:?}", report.problems);
    assert!(report.problems.iter().any(|problem| problem.contains("follows version")), "{:?}", report.problems);
}

#[tokio::test]
async fn a_state_that_is_not_the_fold_of_its_events_is_told() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 5);
    opened.store.append(fleet.reading("a", 1, 0).into()).await.expect("append");
    let mut other = fleet.clone();
    other.reading("a", 77, 0);
    save_all(&opened, &other).await;
    let report = verify(folder.path(), None).expect("verify");
    let shelf = opened.numbers.number("a").shelf();
    assert_eq!(report.problems, [format!("device a: snapshot {shelf:02} keeps another state than its events give")]);
}

#[test]
fn where_no_store_is_there_is_nothing_to_verify() {
    let folder = Folder::new();
    assert!(verify(folder.path(), None).is_err());
    assert!(EventLogReader::open(folder.path(), Arc::default()).is_err());
}
