//! Snapshots, and how shards end.

use crate::{
    fakes::Next,
    world::{World, options},
};
use fieldwatch_device_state::StateOptions;
use fieldwatch_event_store::AppendError;
use std::{collections::BTreeSet, time::Duration};

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_the_store_wants_holds_every_device_that_was_ever_heard_of() {
    let world = World::start(StateOptions { idle_after: Some(Duration::from_mins(1)), ..options() }).await;
    world.take(&[("passivated", world.reading(1, 20.0, 0.0)), ("forgotten", world.reading(2, 20.0, 0.0))]).await;
    let (command, told) = world.running.commands().expect();
    world.forget("forgotten", command);
    told.await.expect("it is told");
    world.pass(Duration::from_mins(2)).await;
    world.take(&[("active", world.reading(3, 20.0, 0.0))]).await;
    world.store.inner.lock().wants_snapshots = true;
    world.until("each shelf was saved", || world.store.inner.lock().snapshots.len() >= 64).await;
    let inner = world.store.inner.lock();
    let devices: BTreeSet<_> = inner.snapshots.iter().flat_map(|snapshot| &snapshot.devices).map(|device| device.0).collect();
    assert_eq!(devices, ["passivated", "forgotten", "active"].into_iter().map(|id| world.device(id)).collect());
    let shelves: BTreeSet<_> = inner.snapshots.iter().map(|snapshot| snapshot.shelf).collect();
    assert_eq!(shelves.len(), 64);
}

#[tokio::test(start_paused = true)]
async fn stop_saves_the_shelves_that_have_changed_and_only_those() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0)), ("b", world.reading(2, 20.0, 0.0))]).await;
    world.running.stop(Duration::from_secs(5)).await;
    let shelves = |world: &World| -> Vec<usize> {
        let mut shelves: Vec<usize> = world.store.inner.lock().snapshots.iter().map(|snapshot| snapshot.shelf).collect();
        shelves.sort_unstable();
        shelves
    };
    let mut changed = [world.device("a").shelf(), world.device("b").shelf()];
    changed.sort_unstable();
    assert_eq!(shelves(&world), changed);
    world.send("a", &world.reading(3, 20.0, 0.0));
    world.pass(Duration::from_mins(1)).await;
    assert_eq!(world.queue.in_front(), 1, "nothing is taken any more");
}

#[tokio::test(start_paused = true)]
async fn stop_finishes_the_batch_in_hand_and_takes_no_other() {
    let world = World::start(options()).await;
    world.store_does_next(Next::Delay(Duration::from_secs(3)));
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.until("the batch is at the store", || world.store.inner.lock().hanging == 1).await;
    world.send("a", &world.reading(2, 30.0, 0.0));
    world.running.stop(Duration::from_secs(5)).await;
    assert_eq!((world.events("a").len(), world.queue.in_front()), (1, 1));
    assert_eq!(world.store.inner.lock().snapshots.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn shards_end_when_nobody_holds_them_any_more() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.drop_running_and_wait_for_the_end().await;
}

#[tokio::test(start_paused = true)]
async fn stop_ends_at_its_deadline_though_the_store_hangs() {
    let world = World::start(options()).await;
    world.store_does_next(Next::HangBefore);
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.until("the store hangs", || world.store.inner.lock().hanging == 1).await;
    let latest = world.elapsed() + Duration::from_millis(5_010);
    world.running.stop(Duration::from_secs(5)).await;
    assert!(world.elapsed() <= latest);
    assert_eq!(world.queue.in_front(), 1);
}

#[tokio::test(start_paused = true)]
async fn stop_does_not_wait_for_a_store_that_is_away() {
    let world = World::start(options()).await;
    for _ in 0..1_000 {
        world.store_does_next(Next::Refuse(AppendError::Unavailable("away".into())));
    }
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.until("the store has refused", || world.store.inner.lock().refused > 3).await;
    let latest = world.elapsed() + Duration::from_secs(1);
    world.running.stop(Duration::from_mins(1)).await;
    assert!(world.elapsed() < latest);
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_is_worked_off_and_then_only_the_stop_is_waited_for() {
    let world = World::start(options()).await;
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.queue.close();
    world.settled().await;
    assert_eq!(world.running.trouble(), None);
    world.running.stop(Duration::from_secs(5)).await;
    assert_eq!(world.store.inner.lock().snapshots.len(), 1);
}
