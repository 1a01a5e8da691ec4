//! Promises about storing.

use super::{Fleet, Opened, Place};
use crate::{AppendError, Batch, Checkpoint, Entry, EventLabel, Stored};
use fieldwatch_domain::{DeviceNumber, EventType};
use std::sync::{Arc, Mutex, PoisonError};

/// Opens a new store and recovers nothing.
pub(super) async fn begin(place: &dyn Place) -> (Opened, Fleet) {
    let opened = place.open().await;
    let (devices, _) = opened.recover().await;
    assert!(devices.is_empty(), "a new place is empty");
    let fleet = Fleet::new(&opened.numbers, 1);
    (opened, fleet)
}

/// The versions of the events of one device, in their order.
async fn versions(opened: &Opened, device: DeviceNumber) -> Vec<u64> {
    let events = opened.all_events(0, 100).await;
    events.iter().filter(|event| event.device == device).map(|event| event.version).collect()
}

/// Nothing is there, and asking is no error.
pub async fn a_new_store_is_empty(place: &dyn Place) {
    let (opened, fleet) = begin(place).await;
    let store = &opened.store;
    assert_eq!(store.newest(), 0);
    assert_eq!(store.health().trouble, None);
    let device = opened.numbers.number("nobody");
    assert_eq!(store.load(device).await.expect("load"), fleet.state("nobody"));
    assert_eq!(store.history(device, None, 10).await.expect("history").entries, []);
    let page = store.read_all(0, 10).await.expect("read");
    assert!(page.at_end && page.events.is_empty());
    let stored = store.append(Batch::default()).await.expect("a batch of nothing is stored as nothing");
    assert_eq!((stored.entries.len(), stored.newest), (0, 0));
}

/// Positions grow from entry to entry and batch to batch; everything else stays as it was handed over.
pub async fn a_batch_is_stored_with_growing_positions(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let mut before = 0;
    for round in 0..5 {
        let mut entries = Vec::new();
        for device in 0..10 {
            entries.extend(fleet.reading(&format!("device-{device}"), round * 5, 0));
        }
        entries.extend(fleet.late_reading("device-3", 1));
        let stored = opened.store.append(entries.clone().into()).await.expect("append");
        for (entry, original) in stored.entries.iter().zip(&entries) {
            let (entry, position) = without_position(entry);
            assert_eq!(entry, *original);
            assert!(position > before, "positions grow");
            before = position;
        }
        assert_eq!(stored.entries.len(), entries.len());
        let last_event = stored.entries.iter().rev().find(|entry| matches!(entry, Entry::Event(_)));
        assert_eq!(last_event.map(|entry| without_position(entry).1), Some(stored.newest));
        assert_eq!(opened.store.newest(), stored.newest);
    }
}

fn without_position(entry: &Entry) -> (Entry, u64) {
    let mut entry = entry.clone();
    let position = match &mut entry {
        Entry::Event(event) => std::mem::take(&mut event.position),
        Entry::Late(late) => std::mem::take(&mut late.position),
        Entry::Observation(_) | Entry::Passivated(_) => 0,
    };
    (entry, position)
}

/// A batch that goes on from another version than the stored one is refused, and both are told.
pub async fn versions_go_on_without_gap(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let first = fleet.reading("a", 10, 0);
    let second = fleet.reading("a", 20, 0);
    let third = fleet.reading("a", 30, 0);
    let device = opened.numbers.number("a");
    let conflict = |result: Result<Arc<Stored>, AppendError>| match result {
        Err(AppendError::VersionConflict { device: of, expected, actual }) => {
            assert_eq!(of, device);
            (expected, actual)
        }
        other => panic!("a version conflict was expected, not {other:?}"),
    };
    assert_eq!(conflict(opened.store.append(second.clone().into()).await), (1, 0));
    opened.store.append(first.clone().into()).await.expect("append");
    assert_eq!(conflict(opened.store.append(first.into()).await), (0, 1));
    assert_eq!(conflict(opened.store.append(third.clone().into()).await), (2, 1));
    let gap: Vec<Entry> = second.iter().chain(&third).chain(&third).cloned().collect();
    opened.store.append(gap.into()).await.expect_err("within a batch there is no gap either");
    opened.store.append(second.into()).await.expect("append");
    opened.store.append(third.into()).await.expect("append");
    assert_eq!(versions(&opened, device).await, [1, 2, 3]);
}

/// When one device of a batch is refused, nothing of the batch is stored: no other device, and no checkpoint.
pub async fn a_batch_is_stored_whole_or_not_at_all(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let created = fleet.reading("a", 10, 0);
    opened.store.append(created.clone().into()).await.expect("append");
    let mut entries = fleet.clone().reading("b", 1, 0);
    entries.extend(created);
    let checkpoints = vec![Checkpoint { partition: 1, progress: [7; 8].into() }];
    let refused = opened.store.append(Batch { entries, checkpoints }).await;
    assert!(matches!(refused, Err(AppendError::VersionConflict { .. })), "{refused:?}");
    assert_eq!(opened.all_events(0, 10).await.len(), 1);
    assert_eq!(opened.store.load(opened.numbers.number("b")).await.expect("load"), fleet.state("b"));
    drop(opened);
    let opened = place.open().await;
    let (devices, recovery) = opened.recover().await;
    assert_eq!(&devices, fleet.states());
    assert_eq!(recovery.checkpoints, []);
}

/// Every subscriber hears of every batch, in the order of the log, before the append is answered, and `newest` follows.
pub async fn subscribers_are_told_in_order_before_the_answer(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let heard: Arc<Mutex<Vec<Arc<Stored>>>> = Arc::default();
    let order: Arc<Mutex<Vec<u8>>> = Arc::default();
    for name in [1, 2] {
        let (heard, order) = (Arc::clone(&heard), Arc::clone(&order));
        opened.store.subscribe(Box::new(move |stored| {
            order.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            if name == 1 {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(stored));
            }
        }));
    }
    let mut appends = tokio::task::JoinSet::new();
    for device in 0..50 {
        let (store, heard) = (Arc::clone(&opened.store), Arc::clone(&heard));
        let entries = fleet.reading(&format!("device-{device}"), 1, 0);
        appends.spawn(async move {
            let stored = store.append(entries.into()).await.expect("append");
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(heard.iter().any(|other| Arc::ptr_eq(other, &stored)), "told before the answer");
            assert!(store.newest() >= stored.newest);
        });
    }
    while let Some(done) = appends.join_next().await {
        done.expect("an append");
    }
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let newest: Vec<u64> = heard.iter().map(|stored| stored.newest).collect();
    assert_eq!(newest.len(), 50);
    assert!(newest.is_sorted(), "in the order of the log");
    assert_eq!(*order.lock().unwrap_or_else(PoisonError::into_inner), [1, 2].repeat(50));
}

/// Two who append for one device at once: each version is stored once, and whoever was too late is told.
pub async fn of_two_owners_of_a_device_one_is_refused(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let device = opened.numbers.number("a");
    for round in 0..30 {
        let entries = fleet.reading("a", round * 5, 0);
        let appends = [entries.clone(), entries].map(|entries| {
            let store = Arc::clone(&opened.store);
            tokio::spawn(async move { store.append(entries.into()).await })
        });
        let mut stored = 0;
        for append in appends {
            match append.await.expect("an append") {
                Ok(_) => stored += 1,
                Err(AppendError::VersionConflict { .. }) => {}
                Err(other) => panic!("a conflict was expected, not {other}"),
            }
        }
        assert_eq!(stored, 1);
    }
    assert_eq!(versions(&opened, device).await, (1..=30).collect::<Vec<_>>());
    assert_eq!(opened.store.load(device).await.expect("load"), fleet.state("a"));
}

/// Batches for different devices at the same time are all stored.
pub async fn owners_of_different_devices_do_not_disturb_one_another(place: &dyn Place) {
    let (opened, _) = begin(place).await;
    let mut owners = tokio::task::JoinSet::new();
    for owner in 0..8 {
        let (store, mut fleet) = (Arc::clone(&opened.store), Fleet::new(&opened.numbers, owner));
        owners.spawn(async move {
            let id = format!("device-{owner}");
            for round in 0..20 {
                let mut entries = fleet.reading(&id, round * 5, 0);
                entries.extend(fleet.reading(&id, round * 5, 0));
                entries.extend(fleet.late_reading(&id, 7));
                store.append(entries.into()).await.expect("append");
            }
            (id, fleet)
        });
    }
    while let Some(done) = owners.join_next().await {
        let (id, fleet) = done.expect("an owner");
        let device = opened.numbers.number(&id);
        assert_eq!(opened.store.load(device).await.expect("load"), fleet.state(&id));
        assert_eq!(versions(&opened, device).await, (1..=20).collect::<Vec<_>>());
    }
}

/// What was stored is counted under the name of its type.
pub async fn events_are_counted_by_type(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    for celsius in [10, 20, 30, 5] {
        opened.store.append(fleet.reading("a", celsius, 0).into()).await.expect("append");
    }
    let counted =
        |event_type: EventType| opened.store.metrics().events.get_or_create(&EventLabel { r#type: event_type.name() }).get();
    assert_eq!(counted(EventType::Created), 1);
    assert_eq!(counted(EventType::TemperatureIncreased), 2);
    assert_eq!(counted(EventType::TemperatureDecreased), 1);
}

/// Who gives up waiting gives up the answer, not the batch.
pub async fn an_append_is_stored_though_nobody_waits_for_it(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let entries = fleet.reading("a", 1, 0);
    let mut append = opened.store.append(entries.into());
    // Polled once: handed over, and then dropped.
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(append.as_mut().poll(context))).await;
    drop((polled.is_ready(), append));
    // The answer of a later append comes after the first one is stored.
    opened.store.append(fleet.reading("b", 1, 0).into()).await.expect("append");
    assert_eq!(opened.store.load(opened.numbers.number("a")).await.expect("load"), fleet.state("a"));
}
