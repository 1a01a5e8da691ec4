//! What is particular about how the embedded store writes.

use crate::support::Folder;
use fieldwatch_event_store::{AppendError, Batch, conformance::Fleet, verify};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_without_a_version_from_two_sides_are_both_kept_and_chained() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.append(fleet.reading("a", 1, 0).into()).await.expect("append");
    for _ in 0..30 {
        let sides = [fleet.late_reading("a", 2), fleet.late_reading("a", 3), fleet.reading("a", 1, 0)].map(|entries| {
            let store = Arc::clone(&opened.store);
            tokio::spawn(async move { store.append(entries.into()).await })
        });
        for side in sides {
            side.await.expect("a side").expect("append");
        }
    }
    assert_eq!(opened.whole_history("a", 7).await.len(), 61);
    assert_eq!(verify(folder.path(), None).expect("verify").problems, Vec::<String>::new());
    let loaded = opened.store.load(opened.numbers.number("a")).await.expect("load");
    assert_eq!(loaded.tracking.late_readings, 60);
    assert_eq!(loaded.device, fleet.state("a").device);
}

#[tokio::test]
async fn a_batch_that_can_never_be_stored_is_refused_and_harms_no_other() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    let checkpoint = |partition| fieldwatch_event_store::Checkpoint { partition, progress: vec![7; 9 << 20].into() };
    let too_large = Batch { entries: Vec::new(), checkpoints: (0..8).map(checkpoint).collect() };
    let refused = opened.store.append(too_large).await;
    assert!(matches!(&refused, Err(AppendError::Unavailable(reason)) if reason.contains("larger")), "{refused:?}");
    assert_eq!(opened.store.health().trouble, None);
    opened.store.append(fleet.reading("a", 1, 0).into()).await.expect("append");
}

#[tokio::test]
async fn nothing_is_taken_before_what_is_there_was_recovered() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.append(fleet.reading("a", 1, 0).into()).await.expect("a new store has nothing to recover");
    drop(opened);
    let opened = folder.open_now();
    fleet.move_to(&opened.numbers);
    let next = fleet.reading("a", 9, 0);
    let refused = opened.store.append(next.clone().into()).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    opened.recover().await;
    opened.store.append(next.into()).await.expect("append");
}

#[tokio::test]
async fn a_subscriber_that_panics_stops_the_store_and_what_was_stored_stays() {
    let folder = Folder::new();
    let opened = folder.open_now();
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.subscribe(Box::new(|_| panic!("a bug of whoever listens")));
    let stopped = opened.store.append(fleet.reading("a", 1, 0).into()).await;
    assert!(matches!(stopped, Err(AppendError::Stopped(_))), "{stopped:?}");
    let stopped = opened.store.append(fleet.reading("b", 1, 0).into()).await;
    assert!(matches!(stopped, Err(AppendError::Stopped(_))), "{stopped:?}");
    assert!(opened.store.health().trouble.is_some());
    drop(opened);
    let opened = folder.open_now();
    assert!(opened.recover().await.0.contains_key("a"));
}
