//! What readings leave behind.

use crate::world::{BEGINNING, World, options};
use fieldwatch_device_state::ReadingResult;
use fieldwatch_domain::{EventType, Timestamp};
use fieldwatch_event_store::Entry;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn the_first_reading_creates_the_device_and_the_next_ones_are_judged_by_it() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0)), ("b", world.reading(2, 5.0, 0.0))]).await;
    world.take(&[("a", world.reading(3, 25.0, 1.0)), ("a", world.reading(4, 25.5, 1.0))]).await;
    let expected = [
        (1, EventType::Created),
        (2, EventType::TemperatureIncreased),
        (3, EventType::LocationChanged),
        (4, EventType::SimilarTemperatureTraced),
    ];
    assert_eq!(world.events("a"), expected);
    assert_eq!(world.events("b"), [(1, EventType::Created)]);
    assert_eq!(world.running.active(), 2);
    assert_eq!(world.running.trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn all_readings_of_one_device_in_one_batch_see_what_those_before_them_decided() {
    let world = World::start(options()).await;
    let readings: Vec<_> = (0..100).map(|at| ("a", world.reading(at, f64::from(at as u32 % 7) * 3.0, 0.0))).collect();
    world.take(&readings).await;
    let events = world.events("a");
    assert_eq!(events.iter().map(|event| event.0).collect::<Vec<_>>(), (1..=100).collect::<Vec<u64>>());
    assert_eq!(world.store.inner.lock().batches.len(), 1);
    // The next batch goes on from there.
    world.take(&[("a", world.reading(200, -50.0, 0.0))]).await;
    assert_eq!(world.events("a").last(), Some(&(101, EventType::TemperatureDecreased)));
}

#[tokio::test(start_paused = true)]
async fn a_reading_without_an_event_leaves_an_observation_and_a_repeat_leaves_nothing_but_its_checkpoint() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.pass(Duration::from_secs(1)).await;
    let same = world.reading(2, 20.0, 0.0);
    world.take(&[("a", same.clone())]).await;
    let Some(Entry::Observation(seen)) = world.entries("a").pop() else { panic!("an observation") };
    assert_eq!((seen.at, seen.received_at, seen.fingerprint), (same.received_at, same.received_at, same.id.fingerprint()));

    world.take(&[("a", same.clone()), ("a", same)]).await;
    assert_eq!(world.store.inner.lock().batches.last(), Some(&(0, 1)));
    assert_eq!(world.counted(ReadingResult::duplicate), 2);
    assert_eq!(world.entries("a").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_reading_is_kept_beside_the_events_and_counted() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    let mut late = world.reading(2, 50.0, 3.0);
    late.at = Some(Timestamp::from_unix_ms(BEGINNING - 1));
    world.take(&[("a", late.clone())]).await;
    let Some(Entry::Late(kept)) = world.entries("a").pop() else { panic!("a late reading") };
    assert_eq!(
        (kept.at, kept.temperature, kept.location),
        (Timestamp::from_unix_ms(BEGINNING - 1), late.temperature, late.location)
    );
    assert_eq!(world.counted(ReadingResult::late), 1);
    assert_eq!(world.stored("a").tracking.late_readings, 1);
}

#[tokio::test(start_paused = true)]
async fn repeats_are_taken_as_new_when_that_is_asked_for() {
    let world = World::start(fieldwatch_device_state::StateOptions { recognise_repeats: false, ..options() }).await;
    let readings = [("a", world.reading(1, 20.0, 0.0)), ("a", world.reading(2, 30.0, 0.0)), ("a", world.reading(1, 20.0, 0.0))];
    world.take(&readings).await;
    assert_eq!(world.events("a").len(), 3);
    assert_eq!(world.counted(ReadingResult::duplicate), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_tells_what_caused_it_and_when() {
    let world = World::start(options()).await;
    let mut reading = world.reading(7, 20.0, 0.0);
    reading.at = Some(Timestamp::from_unix_ms(BEGINNING - 60_000));
    world.pass(Duration::from_secs(3)).await;
    world.take(&[("a", reading.clone())]).await;
    let Some(Entry::Event(event)) = world.entries("a").pop() else { panic!("an event") };
    assert_eq!(event.at, Timestamp::from_unix_ms(BEGINNING - 60_000));
    assert_eq!(event.received_at, Timestamp::from_unix_ms(BEGINNING));
    assert!(event.recorded_at >= Timestamp::from_unix_ms(BEGINNING + 3_000));
    assert_eq!(event.reading_id, Some(reading.id));
}
