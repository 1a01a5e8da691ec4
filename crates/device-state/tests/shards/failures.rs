//! Stores that refuse, devices that fail, entries that nobody can read.

use crate::{
    fakes::Next,
    world::{World, options},
};
use fieldwatch_broker::Entries;
use fieldwatch_device_state::{DeviceStates, ReadingResult, StartError, StateOptions};
use fieldwatch_domain::{Description, DeviceEvent, EventType, RecordedEvent, fnv1a_64};
use fieldwatch_event_store::{AppendError, Entry, EventStore};
use std::{sync::Arc, time::Duration};

fn partition(id: &str) -> u16 {
    (fnv1a_64(id.as_bytes()) % 64) as u16
}

/// Another owner describes the device behind our back.
fn foreign_event(world: &World, id: &str) {
    let device = world.device(id);
    let mut inner = world.store.inner.lock();
    let state = inner.states.entry(device).or_default();
    let entry = Entry::Event(RecordedEvent {
        device,
        version: state.device.version() + 1,
        position: 0,
        at: world.now(),
        recorded_at: world.now(),
        received_at: world.now(),
        reading_id: None,
        event: DeviceEvent::Described(Box::new(Description::new(Some("theirs"), &[]).expect("valid"))),
    });
    state.apply(&entry);
    inner.log.push(entry);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for_and_everything_is_stored_once() {
    let world = World::start(StateOptions { shards: 1, ..options() }).await;
    for _ in 0..5 {
        world.store_does_next(Next::Refuse(AppendError::Unavailable("no space left".into())));
    }
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.send("a", &world.reading(2, 30.0, 0.0));
    world.until("trouble is said", || world.running.trouble().is_some_and(|said| said.contains("no space left"))).await;
    world.settled().await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::TemperatureIncreased)]);
    assert_eq!((world.store.inner.lock().refused, world.running.trouble()), (5, None));
    assert!(world.elapsed() > Duration::from_secs(1), "there were waits between the attempts");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_another_owner_changed_is_loaded_and_its_readings_are_decided_again() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    foreign_event(&world, "a");
    world.take(&[("a", world.reading(2, 30.0, 0.0))]).await;
    let expected = [(1, EventType::Created), (2, EventType::Described), (3, EventType::TemperatureIncreased)];
    assert_eq!(world.events("a"), expected);
    assert_eq!(world.stored("a").device.description().name(), Some("theirs"));
    assert_eq!(world.running.trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_another_owner_created_is_known_after_the_conflict() {
    let world = World::start(options()).await;
    foreign_event(&world, "a");
    world.take(&[("a", world.reading(1, 20.0, 0.0)), ("a", world.reading(2, 40.0, 0.0))]).await;
    assert_eq!(world.events("a").len(), 3);
    assert_eq!(world.running.active(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_meets_another_owner_twice_in_a_row_stands_down_and_says_so() {
    let world = World::start(StateOptions { shards: 1, ..options() }).await;
    let device = world.device("a");
    for _ in 0..2 {
        world.store_does_next(Next::Refuse(AppendError::VersionConflict { device, expected: 0, actual: 7 }));
    }
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.until("it stands down", || world.running.trouble().is_some_and(|said| said.contains("stands down"))).await;
    world.send("a", &world.reading(2, 20.0, 0.0));
    world.pass(Duration::from_mins(5)).await;
    assert!(world.events("a").is_empty());
    assert_eq!(world.queue.in_front(), 2, "what was not stored stays in the queue");
    world.running.stop(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_stopped_stops_its_shard() {
    let world = World::start(options()).await;
    world.store_does_next(Next::Refuse(AppendError::Stopped("a sync failed".into())));
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.until("trouble is said", || world.running.trouble().is_some_and(|said| said.contains("a sync failed"))).await;
    assert_eq!(world.queue.in_front(), 1);
}

#[tokio::test(start_paused = true)]
async fn silence_waits_for_a_store_that_is_away_and_for_a_conflict() {
    let world = World::start(StateOptions { silent_after: Some(Duration::from_secs(10)), ..options() }).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    foreign_event(&world, "a");
    world.store_does_next(Next::Refuse(AppendError::Unavailable("away".into())));
    world.pass(Duration::from_secs(15)).await;
    let expected = [(1, EventType::Created), (2, EventType::Described), (3, EventType::GoneSilent)];
    assert_eq!(world.events("a"), expected);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_fails_harms_no_other_and_its_reading_is_parked_after_three_attempts() {
    let world = World::start(StateOptions { panics_on: Some("bad".into()), shards: 1, ..options() }).await;
    let bad = world.reading(2, 20.0, 0.0);
    world.take(&[("a", world.reading(1, 20.0, 0.0)), ("bad", bad.clone()), ("a", world.reading(3, 30.0, 0.0))]).await;
    world.take(&[("b", world.reading(4, 20.0, 0.0))]).await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::TemperatureIncreased)]);
    assert_eq!(world.events("b").len(), 1);
    assert!(world.events("bad").is_empty());
    let letters = world.parking.letters.lock().clone();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].place, letters[0].device_id.as_deref()), (1, Some("bad")));
    let mut as_queued = Entries::new(64);
    as_queued.record("bad", &bad);
    assert_eq!(letters[0].body, as_queued.bytes()[4..]);
    assert_eq!((world.running.metrics().panics.get(), world.counted(ReadingResult::parked)), (3, 1));
    assert_eq!(world.store.inner.lock().checkpoints.len(), 3, "the checkpoint goes over the parked one");
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_parked_once_though_its_batch_is_tried_again_and_again() {
    let world = World::start(StateOptions { panics_on: Some("bad".into()), shards: 1, ..options() }).await;
    *world.parking.failing.lock() = 2;
    for _ in 0..3 {
        world.store_does_next(Next::Refuse(AppendError::Unavailable("away".into())));
    }
    world.take(&[("bad", world.reading(1, 20.0, 0.0)), ("a", world.reading(2, 20.0, 0.0))]).await;
    assert_eq!((world.running.metrics().panics.get(), world.counted(ReadingResult::parked)), (3, 1));
    assert_eq!(world.parking.letters.lock().len(), 1);
    assert_eq!(world.events("a").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_read_or_lies_in_a_wrong_partition_is_parked_at_once() {
    let world = World::start(options()).await;
    world.queue.put_raw(5, vec![0xff; 10]);
    let mut entries = Entries::new(64);
    entries.record("a", &world.reading(1, 20.0, 0.0));
    let body = entries.bytes()[4..].to_vec();
    world.queue.put_raw((partition("a") + 1) % 64, body.clone());
    world.queue.put_raw((partition("a") + 2) % 64, body);
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    let mut letters = world.parking.letters.lock().clone();
    letters.sort_unstable_by_key(|letter| letter.place);
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!((letters[0].place, &letters[0].device_id, &letters[0].body), (0, &None, &vec![0xff; 10]));
    assert_eq!(letters[1].device_id.as_deref(), Some("a"));
    assert_eq!(world.counted(ReadingResult::parked), 3);
    assert_eq!(world.events("a").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_hangs_does_not_hold_up_the_others() {
    let world = World::start(StateOptions { shards: 64, ..options() }).await;
    world.store_does_next(Next::HangBefore);
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.until("the store hangs", || world.store.inner.lock().hanging == 1).await;
    assert_ne!(partition("a"), partition("b"));
    world.send("b", &world.reading(2, 20.0, 0.0));
    world.until("the other goes on", || world.events("b").len() == 1).await;
    assert!(world.events("a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn partitions_have_to_be_whole_shelves() {
    let world = World::start(options()).await;
    let store: Arc<dyn EventStore> = world.store.clone();
    let parking: Arc<dyn fieldwatch_broker::Parking> = world.parking.clone();
    for (partitions, allowed) in [(0, false), (1, true), (16, true), (48, false), (64, true), (128, false)] {
        let queue: Arc<dyn fieldwatch_broker::ReadingQueue> = Arc::new(crate::fakes::FakeQueue::new(partitions));
        let started = DeviceStates::new(options(), Arc::default()).into_shards(&store, &queue, &parking, &[]);
        match started {
            Ok((_, shards)) => assert!(allowed && shards.len() == 2.min(usize::from(partitions))),
            Err(refusal) => assert!(!allowed && matches!(refusal, StartError::Partitions(count) if count == partitions)),
        }
    }
}
