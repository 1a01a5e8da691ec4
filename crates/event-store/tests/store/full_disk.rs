//! A full disk, on a small file system of its own.

use crate::{small_disk::SmallDisk, support::options};
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::{
    AppendError, EmbeddedOptions, EmbeddedStore, EventStore,
    conformance::{Fleet, Opened, save_all},
};
use std::{fs, sync::Arc, time::Duration};

fn open(options: EmbeddedOptions) -> Opened {
    let numbers = Arc::new(DeviceNumbers::default());
    let store: Arc<dyn EventStore> =
        EmbeddedStore::open_with_segments(options, 1 << 20, Arc::clone(&numbers)).expect("open the store");
    Opened { store, numbers }
}

/// Appends until the store refuses; the fleet is what was stored.
async fn fill_up(opened: &Opened, fleet: &mut Fleet) -> String {
    loop {
        let mut next = fleet.clone();
        let batch = next.batch_of_anything(100, 200);
        match opened.store.append(batch).await {
            Ok(_) => *fleet = next,
            Err(AppendError::Unavailable(reason)) => return reason,
            Err(other) => panic!("a full disk must be told as one: {other}"),
        }
    }
}

/// Waits until a batch is accepted again, which the store finds out by itself.
async fn accepted_again(opened: &Opened, fleet: &mut Fleet) {
    let accepted = async {
        loop {
            let mut next = fleet.clone();
            if opened.store.append(next.batch_of_anything(100, 10)).await.is_ok() {
                *fleet = next;
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), accepted).await.expect("accepted again once there is space");
}

async fn a_full_disk_loses_nothing_and_recovers(least_free_bytes: u64) {
    let Some(disk) = SmallDisk::of("6m") else { return };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).expect("write ballast");
    let options = EmbeddedOptions { least_free_bytes, ..options(&disk.path().join("store")) };
    let opened = open(options.clone());
    let mut fleet = Fleet::new(&opened.numbers, 1);
    let reason = fill_up(&opened, &mut fleet).await;
    assert_eq!(reason.contains("bytes are free"), least_free_bytes > 0, "{reason}");
    assert_eq!(opened.store.health().trouble, Some(reason));
    for (id, state) in fleet.states() {
        assert_eq!(&opened.store.load(opened.numbers.number(id)).await.expect("load"), state);
    }
    fs::remove_file(&ballast).expect("remove ballast");
    if least_free_bytes > 0 {
        assert_eq!(opened.store.health().trouble, None, "seen although nobody appends");
    }
    accepted_again(&opened, &mut fleet).await;
    assert_eq!(opened.store.health().trouble, None);
    fill_up(&opened, &mut fleet).await;
    drop(opened);

    // A full disk must not keep the program down.
    let opened = open(options);
    assert_eq!(&opened.recover().await.0, fleet.states());
}

#[tokio::test]
async fn a_full_disk_refuses_batches_and_takes_them_again_without_a_start() {
    a_full_disk_loses_nothing_and_recovers(0).await;
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_batches_before_it_is_full() {
    a_full_disk_loses_nothing_and_recovers(1 << 20).await;
}

#[tokio::test]
async fn a_snapshot_that_finds_no_space_leaves_the_old_one() {
    let Some(disk) = SmallDisk::of("6m") else { return };
    let options = options(&disk.path().join("store"));
    let opened = open(options.clone());
    let mut fleet = Fleet::new(&opened.numbers, 1);
    opened.store.append(fleet.batch_of_anything(100, 200)).await.expect("append");
    save_all(&opened, &fleet).await;
    opened.store.append(fleet.batch_of_anything(100, 200)).await.expect("append");
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 8 << 20]).expect_err("as much as fits");
    let devices = Vec::new();
    let saved = opened.store.save_snapshot(fieldwatch_event_store::ShelfSnapshot { shelf: 1, devices }).await;
    assert!(matches!(saved, Err(AppendError::Unavailable(_))), "{saved:?}");
    let files = fs::read_dir(disk.path().join("store/snapshots")).expect("list").count();
    assert_eq!(files, 64, "nothing half-written stays");
    drop(opened);
    fs::remove_file(&ballast).expect("remove ballast");
    assert_eq!(&open(options).recover().await.0, fleet.states());
}
