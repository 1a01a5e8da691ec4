//! Devices from which nothing is received.

use crate::{
    fakes::Next,
    world::{World, options},
};
use fieldwatch_device_state::StateOptions;
use fieldwatch_domain::{DeviceEvent, EventType, Presence, Timestamp};
use fieldwatch_event_store::{AppendError, Entry};
use std::time::Duration;

const SILENT_AFTER: Duration = Duration::from_mins(5);
/// Shortly before silence.
const JUST_BEFORE: Duration = Duration::from_millis(299_990);
/// By how much silence may be told too late: one bucket of the wheel and three ticks.
const SLACK: Duration = Duration::from_millis(1_350);

fn watchful() -> StateOptions {
    StateOptions { silent_after: Some(SILENT_AFTER), ..options() }
}

#[tokio::test(start_paused = true)]
async fn a_device_goes_silent_once_when_its_time_has_passed_and_not_before() {
    let world = World::start(watchful()).await;
    let reading = world.reading(1, 20.0, 0.0);
    world.take(&[("a", reading.clone())]).await;
    world.pass(JUST_BEFORE).await;
    assert_eq!(world.events("a").len(), 1);
    world.pass(SLACK).await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::GoneSilent)]);
    let Some(Entry::Event(silence)) = world.entries("a").pop() else { panic!("an event") };
    assert_eq!(silence.event, DeviceEvent::GoneSilent { last_seen: reading.received_at });
    assert_eq!((silence.at, silence.received_at, silence.reading_id), (silence.recorded_at, silence.recorded_at, None));
    world.pass(SILENT_AFTER * 10).await;
    assert_eq!(world.events("a").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_and_a_late_reading_are_signs_of_life_too() {
    let world = World::start(watchful()).await;
    let first = world.reading(1, 20.0, 0.0);
    world.take(&[("a", first.clone()), ("b", first.clone())]).await;
    world.pass(Duration::from_mins(3)).await;
    let mut late = world.reading(2, 20.0, 0.0);
    late.at = Some(Timestamp::EPOCH);
    world.take(&[("a", first), ("b", late)]).await;
    world.pass(Duration::from_mins(4)).await;
    assert_eq!((world.events("a").len(), world.events("b").len()), (1, 1));
    world.pass(Duration::from_mins(2)).await;
    assert_eq!((world.events("a").len(), world.events("b").len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_back_goes_silent_again_in_time_however_far_its_passivation_was() {
    let world = World::start(StateOptions { idle_after: Some(Duration::from_mins(30)), ..watchful() }).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.pass(Duration::from_mins(7)).await;
    world.take(&[("a", world.reading(2, 20.0, 0.0))]).await;
    world.pass(SILENT_AFTER + SLACK).await;
    let expected = [(1, EventType::Created), (2, EventType::GoneSilent), (3, EventType::IsBack), (4, EventType::GoneSilent)];
    assert_eq!(world.events("a"), expected);
}

#[tokio::test(start_paused = true)]
async fn a_late_reading_brings_a_silent_device_back_and_stays_late() {
    let world = World::start(watchful()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.pass(SILENT_AFTER + SLACK).await;
    let mut late = world.reading(2, 90.0, 0.0);
    late.at = Some(Timestamp::from_unix_ms(5));
    world.take(&[("a", late)]).await;
    let entries = world.entries("a");
    let [_, Entry::Event(silence), Entry::Event(back), Entry::Late(late)] = &entries[..] else { panic!("four entries") };
    assert_eq!(back.event, DeviceEvent::IsBack { silent_since: silence.recorded_at });
    assert_eq!((back.version, back.at, late.at), (3, Timestamp::from_unix_ms(5), Timestamp::from_unix_ms(5)));
    assert_eq!(world.stored("a").device.presence(), Presence::Present);
}

#[tokio::test(start_paused = true)]
async fn after_a_start_a_whole_span_runs_first() {
    let world = World::start(watchful()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.pass(Duration::from_mins(4)).await;
    let world = world.crash_and_restart().await;
    world.pass(JUST_BEFORE).await;
    assert_eq!(world.events("a").len(), 1);
    world.pass(SLACK).await;
    assert_eq!(world.events("a").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_longer_than_a_span_makes_nobody_silent_who_was_heard_meanwhile() {
    let world = World::start(StateOptions { shards: 1, silent_after: Some(Duration::from_secs(10)), ..options() }).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0)), ("b", world.reading(2, 20.0, 0.0))]).await;
    for _ in 0..40 {
        world.store_does_next(Next::Refuse(AppendError::Unavailable("away".into())));
    }
    world.send("a", &world.reading(3, 20.0, 0.0));
    for second in 0..30 {
        world.pass(Duration::from_secs(1)).await;
        world.send("a", &world.reading(100 + second, 20.0, 0.0));
        world.send("b", &world.reading(200 + second, 20.0, 0.0));
    }
    assert!(world.running.trouble().is_some_and(|said| said.contains("away")));
    world.queue.deliver_at_most(&[1; 60]);
    // What waits is worked off one by one, so that one device's time has come long before its readings do.
    world.settled().await;
    assert!(world.store.inner.lock().refused == 40, "the store was away for long");
    assert_eq!((world.events("a").len(), world.events("b").len()), (1, 1));
    assert_eq!(world.running.trouble(), None);
    world.pass(Duration::from_secs(12)).await;
    assert_eq!((world.events("a").len(), world.events("b").len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_whole_fleet_falls_silent_in_parts_between_which_readings_get_through() {
    let world = World::start(StateOptions { shards: 1, ..watchful() }).await;
    let ids: Vec<String> = (0..20_000).map(|at| format!("device-{at}")).collect();
    let readings: Vec<_> = ids.iter().enumerate().map(|(at, id)| (id.as_str(), world.reading(at as u64, 20.0, 0.0))).collect();
    world.take(&readings).await;
    let before = world.store.inner.lock().batches.len();
    world.pass(SILENT_AFTER + SLACK).await;
    let parts: Vec<usize> = world.store.inner.lock().batches[before..].iter().map(|batch| batch.0).collect();
    // Ten parts of at most 2 048, the last one smaller.
    assert_eq!((parts.iter().sum::<usize>(), parts.iter().max(), parts.len()), (20_000, Some(&2_048), 10));
}

/// The store lets everybody wait for four minutes, and a device's reading is in the queue behind that.
async fn with_a_reading_that_waited_four_minutes(options: StateOptions) -> World {
    let world = World::start(StateOptions { shards: 1, ..options }).await;
    world.store_does_next(Next::Delay(Duration::from_mins(4)));
    world.send("first", &world.reading(1, 20.0, 0.0));
    world.until("the store lets the first one wait", || world.store.inner.lock().hanging == 1).await;
    world.send("a", &world.reading(2, 20.0, 0.0));
    world.settled().await;
    assert!(world.elapsed() >= Duration::from_mins(4), "it has waited");
    assert_eq!(world.events("a"), [(1, EventType::Created)]);
    world
}

#[tokio::test(start_paused = true)]
async fn silence_counts_from_receipt_however_long_a_reading_waited_for_its_decision() {
    let world = with_a_reading_that_waited_four_minutes(watchful()).await;
    world.pass(Duration::from_millis(59_900)).await;
    assert_eq!(world.events("a").len(), 1);
    world.pass(SLACK).await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::GoneSilent)]);
}

#[tokio::test(start_paused = true)]
async fn what_waited_longer_than_the_span_makes_its_device_silent_once_all_behind_it_is_heard() {
    let world = with_a_reading_that_waited_four_minutes(StateOptions { silent_after: Some(Duration::from_mins(1)), ..watchful() });
    let world = world.await;
    world.pass(SLACK).await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::GoneSilent)]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_waited_over_a_start_counts_from_the_start() {
    let world = World::start(watchful()).await;
    world.store_does_next(Next::HangBefore);
    world.send("a", &world.reading(1, 20.0, 0.0));
    world.pass(Duration::from_mins(4)).await;
    let world = world.crash_and_restart().await;
    world.settled().await;
    world.pass(JUST_BEFORE).await;
    assert_eq!(world.events("a").len(), 1);
    world.pass(SLACK).await;
    assert_eq!(world.events("a").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumped_makes_nobody_silent_too_early_and_nobody_heard_of_later_than_now() {
    const HOUR_MS: i64 = 3_600_000;
    let world = World::start(watchful()).await;
    world.pass(Duration::from_mins(10)).await;
    let at = |shift_ms: i64| Timestamp::from_unix_ms(world.now().unix_ms() + shift_ms);
    for (device, shift_ms) in [("jumped ahead", -HOUR_MS), ("jumped back", HOUR_MS)] {
        let mut reading = world.reading(1, 20.0, 0.0);
        reading.received_at = at(shift_ms);
        world.take(&[(device, reading)]).await;
    }
    // Nothing else was waiting, so they cannot have been received much earlier than they were decided.
    world.pass(Duration::from_secs(298)).await;
    assert_eq!((world.events("jumped ahead").len(), world.events("jumped back").len()), (1, 1));
    world.pass(SLACK * 2).await;
    assert_eq!((world.events("jumped ahead").len(), world.events("jumped back").len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_older_receipt_that_is_decided_later_takes_nothing_back() {
    let world = World::start(StateOptions { shards: 1, ..watchful() }).await;
    // So that it is looked at after five minutes, whatever comes.
    world.take(&[("a", world.reading(10, 20.0, 0.0))]).await;
    world.store_does_next(Next::Delay(Duration::from_mins(4)));
    world.send("first", &world.reading(1, 20.0, 0.0));
    world.until("the store lets the first one wait", || world.store.inner.lock().hanging == 1).await;
    let older = world.reading(2, 20.0, 0.0);
    world.pass(Duration::from_mins(3)).await;
    world.send("a", &world.reading(3, 20.0, 0.0));
    world.send("a", &older);
    world.settled().await;
    world.pass(Duration::from_secs(210)).await;
    assert_eq!(world.events("a").len(), 1, "the newest receipt counts");
    world.pass(Duration::from_secs(30) + SLACK).await;
    assert_eq!(world.events("a").len(), 2);
}
