//! Erasure and retention, as far as they are seen in the files.

use crate::support::Folder;
use fieldwatch_domain::SHELVES;
use fieldwatch_event_store::{
    Entry, HistoryEntry, ReadError, RecoverError,
    conformance::{Fleet, Opened, save_all},
    verify,
};
use std::{fs, path::Path, time::Duration};

/// In how many files below a folder a text occurs.
fn files_with(dir: &Path, text: &str) -> usize {
    let entries = fs::read_dir(dir).expect("list").map(|entry| entry.expect("list").path());
    let has_text = |path: &Path| fs::read(path).expect("read").windows(text.len()).any(|window| window == text.as_bytes());
    entries.map(|path| if path.is_dir() { files_with(&path, text) } else { usize::from(has_text(&path)) }).sum()
}

async fn fill(opened: &Opened, fleet: &mut Fleet, rounds: i32) {
    for round in 0..rounds {
        let mut entries = Vec::new();
        for device in 0..10 {
            entries.extend(fleet.reading(&format!("device-{device}"), round % 90, 0));
        }
        opened.store.append(entries.into()).await.expect("append");
    }
}

#[tokio::test]
async fn of_a_forgotten_device_no_byte_of_content_stays() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    fill(&opened, &mut fleet, 20).await;
    opened.store.append(fleet.describe("device-3", "planted-marker").into()).await.expect("append");
    fill(&opened, &mut fleet, 20).await;
    opened.store.append(fleet.passivate("device-3").into()).await.expect("append");
    save_all(&opened, &fleet).await;
    assert!(files_with(folder.path(), "planted-marker") >= 3, "an event, a passivated state, a snapshot");
    opened.store.append(fleet.forget("device-3").into()).await.expect("append");
    fill(&opened, &mut fleet, 2).await;

    opened.store.tidy().await.expect("tidy");
    let shelf = opened.numbers.number("device-3").shelf();
    assert!(opened.store.wants_snapshot(shelf), "the file of its shelf still has it");
    save_all(&opened, &fleet).await;
    assert!(!opened.store.wants_snapshot(shelf));
    assert_eq!(files_with(folder.path(), "planted-marker"), 0);
    let report = verify(folder.path(), None).expect("verify");
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.erased >= 40, "{}", report.erased);
    for (id, state) in fleet.states() {
        assert_eq!(&opened.store.load(opened.numbers.number(id)).await.expect("load"), state);
    }

    // There is nothing left to do, so no segment is begun for it.
    let segments = report.segments;
    opened.store.tidy().await.expect("tidy");
    assert_eq!(verify(folder.path(), None).expect("verify").segments, segments);
}

#[tokio::test]
async fn appends_go_on_while_the_store_is_tidied() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    fill(&opened, &mut fleet, 100).await;
    for device in 0..5 {
        opened.store.append(fleet.forget(&format!("device-{device}")).into()).await.expect("append");
    }
    let store = std::sync::Arc::clone(&opened.store);
    let tidying = tokio::spawn(async move { store.tidy().await });
    fill(&opened, &mut fleet, 100).await;
    tidying.await.expect("tidying").expect("tidy");
    assert_eq!(verify(folder.path(), None).expect("verify").problems, Vec::<String>::new());
    drop(opened);
    let opened = folder.open_now();
    assert_eq!(&opened.recover().await.0, fleet.states());
}

#[tokio::test]
async fn retention_removes_events_and_never_state() {
    let folder = Folder::new().set(|options| options.retention = Some(Duration::ZERO));
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    let first = opened.store.append(fleet.reading("seldom", 7, 0).into()).await.expect("append").newest;
    fill(&opened, &mut fleet, 100).await;

    opened.store.tidy().await.expect("tidy");
    assert_eq!(opened.all_events(0, 1).await[0].position, first, "no shelf is saved yet, so everything stays");
    assert!((0..SHELVES).all(|shelf| opened.store.wants_snapshot(shelf)), "and all are asked to be");
    save_all(&opened, &fleet).await;
    assert!((0..SHELVES).all(|shelf| !opened.store.wants_snapshot(shelf)));
    opened.store.tidy().await.expect("tidy");

    let newest = opened.store.newest();
    let Err(ReadError::Gone { earliest }) = opened.store.read_all(first, 10).await else { panic!("the first event is gone") };
    assert!(earliest > first && earliest <= newest + 4_096);
    assert!(opened.all_events(earliest, 100).await.iter().all(|event| event.position > earliest));
    fill(&opened, &mut fleet, 3).await;
    for (id, state) in fleet.states() {
        assert_eq!(&opened.store.load(opened.numbers.number(id)).await.expect("load"), state);
    }
    let page = opened.store.history(opened.numbers.number("seldom"), None, 10).await.expect("history");
    assert_eq!((page.entries, page.more, page.cut_before), (vec![], false, Some(earliest)));
    let page = opened.store.history(opened.numbers.number("device-1"), None, 10).await.expect("history");
    assert_eq!((page.entries.len(), page.more, page.cut_before), (3, false, Some(earliest)));
    let first_kept = &page.entries[2];
    assert!(matches!(first_kept, HistoryEntry::Event(event) if event.version == fleet.state("device-1").device.version() - 2));

    assert_eq!(verify(folder.path(), None).expect("verify").problems, Vec::<String>::new());
    drop(opened);
    let opened = folder.open_now();
    assert_eq!(&opened.recover().await.0, fleet.states());
    fleet.move_to(&opened.numbers);
    let entries = fleet.reading("seldom", 50, 0);
    assert!(matches!(entries.as_slice(), [Entry::Event(event)] if event.version == 2));
    opened.store.append(entries.into()).await.expect("its version went on");
    drop(opened);

    fs::remove_file(folder.path().join("snapshots/05")).expect("remove");
    let opened = folder.open_now();
    let refused = opened.store.recover(&|_| {}).await;
    assert!(matches!(&refused, Err(RecoverError::Damaged(text)) if text.contains("shelf 5")), "{refused:?}");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_costs_time_only() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    fill(&opened, &mut fleet, 10).await;
    save_all(&opened, &fleet).await;
    fill(&opened, &mut fleet, 1).await;
    let shelf = opened.numbers.number("device-1").shelf();
    drop(opened);
    fs::write(folder.path().join(format!("snapshots/{shelf:02}")), b"FWSHELF").expect("write");
    let opened = folder.open_now();
    let (devices, recovery) = opened.recover().await;
    assert_eq!(&devices, fleet.states());
    assert!(recovery.entries >= 20 && recovery.devices < 10, "{recovery:?}");
}
