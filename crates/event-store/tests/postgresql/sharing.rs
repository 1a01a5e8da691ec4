//! Several processes on one database.

use crate::support::{Database, Heard, or_skip, server, stored_events, take_over, until};
use fieldwatch_domain::SHELVES;
use fieldwatch_event_store::{
    AppendError, Batch, Checkpoint, Entry, ShelfSnapshot,
    conformance::{Fleet, Opened, Place, Restored},
};
use std::sync::Arc;

fn checkpoint(partition: u16, progress: u8) -> Checkpoint {
    Checkpoint { partition, progress: [progress; 4].into() }
}

/// The shelf of a device, the same in every process.
fn shelf(opened: &Opened, id: &str) -> usize {
    opened.numbers.number(id).shelf()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_tells_what_all_store_in_one_order_and_once() {
    let database = Database::on(&or_skip!(server()));
    let stores = [database.open().await, database.open().await, database.open().await];
    let mut heard = Vec::new();
    for store in &stores {
        heard.push(Heard::of(store));
        store.recover().await;
    }
    let mut appends = tokio::task::JoinSet::new();
    // The third one only follows, as a node does that has no part in the state.
    for (node, opened) in stores.iter().take(2).enumerate() {
        for owner in 0..3 {
            let (store, mut fleet) = (Arc::clone(&opened.store), Fleet::new(&opened.numbers, owner));
            appends.spawn(async move {
                for round in 0..40 {
                    let entries = fleet.reading(&format!("device-{node}-{owner}"), round * 5 % 70, 0);
                    store.append(entries.into()).await.expect("append");
                }
            });
        }
    }
    while let Some(done) = appends.join_next().await {
        done.expect("an owner");
    }
    let stored = stored_events(&stores[0]).await;
    assert_eq!(stored.len(), 240);
    let newest = stored.last().map(|(position, ..)| *position);
    for (heard, opened) in heard.iter().zip(&stores) {
        until("all is told", || heard.events().len() >= stored.len()).await;
        assert_eq!(heard.events(), stored);
        assert_eq!(Some(opened.store.newest()), newest);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_goes_on_exactly_behind_the_recovery() {
    let database = Database::on(&or_skip!(server()));
    let writer = database.open().await;
    writer.recover().await;
    let (store, mut fleet) = (Arc::clone(&writer.store), Fleet::new(&writer.numbers, 3));
    let writing = tokio::spawn(async move {
        for _ in 0..150 {
            store.append(fleet.batch_of_anything(20, 6)).await.expect("append");
        }
        fleet
    });
    let mut followers = Vec::new();
    for _ in 0..4 {
        let follower = database.open().await;
        let heard: Arc<std::sync::Mutex<Vec<Entry>>> = Arc::default();
        let hears = Arc::clone(&heard);
        follower.store.subscribe(Box::new(move |stored| hears.lock().expect("heard").extend(stored.entries.iter().cloned())));
        let (devices, _) = follower.recover().await;
        followers.push((follower, heard, devices));
    }
    let fleet = writing.await.expect("the writer");
    for (follower, heard, devices) in followers {
        until("it has caught up", || follower.store.newest() == writer.store.newest()).await;
        // What is no event may come after the newest one.
        until("that what was recovered and what was told after it is everything", || {
            let mut devices = devices.clone();
            for entry in heard.lock().expect("heard").iter() {
                devices.entry(follower.numbers.id(entry.device()).as_str().to_owned()).or_default().apply(entry);
            }
            devices == *fleet.states()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_taken_over_from_cannot_store_any_more() {
    let database = Database::on(&or_skip!(server()));
    let (first, second) = (database.open().await, database.open().await);
    let mut fleet = Fleet::new(&first.numbers, 1);
    let shelves = [shelf(&first, "a")];
    assert_eq!(take_over(&first, 3, &shelves).await, (None, Restored::default()));
    let entries = fleet.reading("a", 10, 0);
    first.store.append(Batch { entries, checkpoints: vec![checkpoint(3, 1)] }).await.expect("append");
    first.store.append(fleet.reading("a", 10, 0).into()).await.expect("an observation");
    first.store.append(fleet.late_reading("a", 10).into()).await.expect("a late reading");

    let (progress, devices) = take_over(&second, 3, &shelves).await;
    assert_eq!((progress, &devices), (Some(checkpoint(3, 1)), fleet.states()));
    let mut second_fleet = fleet.clone();
    second_fleet.move_to(&second.numbers);
    second.store.append(second_fleet.reading("a", 30, 0).into()).await.expect("append");

    let of_the_device: Batch = fleet.clone().reading("a", 50, 0).into();
    let observed: Batch = fleet.clone().reading("a", 10, 0).into();
    let only_progress = Batch { entries: Vec::new(), checkpoints: vec![checkpoint(3, 2)] };
    let others: Batch = fleet.clone().reading("b", 1, 0).into();
    for refused in [observed, of_the_device, only_progress] {
        let outcome = first.store.append(refused).await;
        assert!(matches!(outcome, Err(AppendError::Fenced { partition: 3 })), "{outcome:?}");
    }
    let snapshot = ShelfSnapshot { shelf: shelves[0], devices: Vec::new() };
    let outcome = first.store.save_snapshot(snapshot).await;
    assert!(matches!(outcome, Err(AppendError::Fenced { partition: 3 })), "{outcome:?}");
    assert_ne!(shelf(&first, "b"), shelves[0]);
    first.store.append(others).await.expect("what is of no partition is not fenced");

    // And back again, without having been let go of in between.
    let (progress, devices) = take_over(&first, 3, &shelves).await;
    assert_eq!((progress, &devices), (Some(checkpoint(3, 1)), second_fleet.states()));
    second_fleet.move_to(&first.numbers);
    first.store.append(second_fleet.reading("a", 70, 0).into()).await.expect("append");
    first.store.shared().expect("shared").let_go(3);
    let outcome = first.store.append(second_fleet.reading("a", 90, 0).into()).await;
    assert!(matches!(outcome, Err(AppendError::Fenced { partition: 3 })), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_group_only_the_fenced_batch_is_refused() {
    let database = Database::on(&or_skip!(server()));
    let (first, second) = (database.open().await, database.open().await);
    let mut fleet = Fleet::new(&first.numbers, 1);
    let ids: Vec<String> = (0..30).map(|at| format!("device-{at}")).collect();
    let fenced_shelf = shelf(&first, &ids[0]);
    take_over(&first, 1, &[fenced_shelf]).await;
    take_over(&second, 1, &[fenced_shelf]).await;
    let mut appends = tokio::task::JoinSet::new();
    for id in &ids {
        let (store, entries, is_fenced) = (Arc::clone(&first.store), fleet.reading(id, 1, 0), shelf(&first, id) == fenced_shelf);
        appends.spawn(async move { (is_fenced, store.append(entries.into()).await) });
    }
    let mut fenced = 0;
    while let Some(done) = appends.join_next().await {
        let (is_fenced, outcome) = done.expect("an append");
        assert_eq!(matches!(outcome, Err(AppendError::Fenced { partition: 1 })), is_fenced, "{outcome:?}");
        assert_eq!(outcome.is_ok(), !is_fenced);
        fenced += usize::from(is_fenced);
    }
    assert!(fenced > 0 && fenced < ids.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_wrote_is_a_conflict_with_the_version_that_is_stored() {
    let database = Database::on(&or_skip!(server()));
    let (first, second) = (database.open().await, database.open().await);
    first.recover().await;
    second.recover().await;
    let mut fleet = Fleet::new(&first.numbers, 1);
    let one = fleet.reading("a", 10, 0);
    let before_second = fleet.clone();
    let two = fleet.reading("a", 20, 0);
    first.store.append(one.clone().into()).await.expect("append");
    let mut other = before_second;
    other.move_to(&second.numbers);
    let second_device = second.numbers.number("a");
    let conflict = |outcome: Result<_, AppendError>| match outcome {
        Err(AppendError::VersionConflict { device, expected, actual }) => (device, expected, actual),
        other => panic!("a conflict was expected, not {other:?}"),
    };
    let repeated = Fleet::new(&second.numbers, 9).reading("a", 10, 0);
    assert_eq!(conflict(second.store.append(repeated.into()).await), (second_device, 0, 1), "caught by the constraint");
    second.store.append(other.reading("a", 20, 0).into()).await.expect("goes on from what the other stored");
    assert_eq!(conflict(first.store.append(two.into()).await), (first.numbers.number("a"), 1, 2));
    assert_eq!(stored_events(&first).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_thousand_devices_are_taken_over_whole() {
    let database = Database::on(&or_skip!(server()));
    let (first, second) = (database.open().await, database.open().await);
    let shelves: Vec<usize> = (0..SHELVES).collect();
    take_over(&first, 1, &shelves).await;
    let mut fleet = Fleet::new(&first.numbers, 1);
    let mut by_shelf: Vec<ShelfSnapshot> = (0..SHELVES).map(|shelf| ShelfSnapshot { shelf, devices: Vec::new() }).collect();
    for chunk in 0..12 {
        let mut entries = Vec::new();
        for at in 0..5_000 {
            let id = format!("device-{chunk}-{at}");
            entries.extend(fleet.reading(&id, 1, 0));
            let device = first.numbers.number(&id);
            by_shelf[device.shelf()].devices.push((device, fleet.state(&id)));
        }
        first.store.append(entries.into()).await.expect("append");
    }
    let begun = std::time::Instant::now();
    for snapshot in by_shelf.into_iter().take(SHELVES / 2) {
        first.store.save_snapshot(snapshot).await.expect("save");
    }
    let saved = begun.elapsed();
    let begun = std::time::Instant::now();
    let (_, devices) = take_over(&second, 1, &shelves).await;
    eprintln!("saved 30 000 devices in {saved:?}, took 60 000 over in {:?}", begun.elapsed());
    assert!(devices == *fleet.states());
}
