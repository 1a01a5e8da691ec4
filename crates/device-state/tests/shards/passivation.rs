//! Idle devices leave memory, and come back as they were.

use crate::world::{World, options};
use fieldwatch_device_state::{CommandOutcome, StateOptions};
use fieldwatch_domain::EventType;
use fieldwatch_event_store::Entry;
use std::time::Duration;

fn restful() -> StateOptions {
    StateOptions { idle_after: Some(Duration::from_mins(1)), ..options() }
}

fn passivations(world: &World, id: &str) -> usize {
    world.entries(id).iter().filter(|entry| matches!(entry, Entry::Passivated(_))).count()
}

#[tokio::test(start_paused = true)]
async fn an_idle_device_leaves_memory_and_its_next_reading_is_judged_as_if_it_had_not() {
    let world = World::start(restful()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0)), ("b", world.reading(2, 20.0, 0.0))]).await;
    world.pass(Duration::from_secs(50)).await;
    world.take(&[("b", world.reading(3, 20.0, 0.0))]).await;
    world.pass(Duration::from_secs(15)).await;
    assert_eq!((world.running.active(), passivations(&world, "a"), passivations(&world, "b")), (1, 1, 0));
    // A repeat is recognised, a change is a change, versions go on.
    world.take(&[("a", world.reading(1, 99.0, 0.0)), ("a", world.reading(4, 30.0, 0.0))]).await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::TemperatureIncreased)]);
    assert_eq!(world.store.inner.lock().loads, [world.device("a")]);
    assert_eq!(world.running.active(), 2);
    world.pass(Duration::from_mins(2)).await;
    assert_eq!((world.running.active(), passivations(&world, "a")), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_device_goes_silent_in_time_though_it_was_passivated_long_before() {
    let world = World::start(StateOptions { silent_after: Some(Duration::from_mins(10)), ..restful() }).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.pass(Duration::from_mins(2)).await;
    assert_eq!(world.running.active(), 0);
    world.pass(Duration::from_mins(7)).await;
    assert_eq!(world.events("a").len(), 1);
    world.pass(Duration::from_mins(2)).await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::GoneSilent)]);
    assert_eq!((world.running.active(), passivations(&world, "a")), (0, 2));
    world.take(&[("a", world.reading(2, 20.0, 0.0))]).await;
    assert_eq!(world.events("a").last(), Some(&(3, EventType::IsBack)));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_silent_and_idle_at_the_same_time_is_kept_as_silent() {
    let world = World::start(StateOptions { silent_after: Some(Duration::from_mins(1)), ..restful() }).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.pass(Duration::from_mins(2)).await;
    let entries = world.entries("a");
    assert!(matches!(entries[..], [Entry::Event(_), Entry::Event(_), Entry::Passivated(_)]), "{entries:?}");
    assert_eq!(world.running.active(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_passivated_device_stays_so_over_a_restart_and_still_goes_silent() {
    let world = World::start(StateOptions { silent_after: Some(Duration::from_mins(10)), ..restful() }).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0)), ("b", world.reading(2, 20.0, 0.0))]).await;
    world.pass(Duration::from_mins(2)).await;
    world.take(&[("b", world.reading(3, 40.0, 0.0))]).await;
    let world = world.crash_and_restart().await;
    assert_eq!(world.running.active(), 1);
    world.pass(Duration::from_mins(9)).await;
    assert_eq!((world.events("a").len(), passivations(&world, "a")), (1, 1));
    world.pass(Duration::from_mins(2)).await;
    assert_eq!(world.events("a").last(), Some(&(2, EventType::GoneSilent)));
}

#[tokio::test(start_paused = true)]
async fn a_command_brings_a_device_back_for_a_moment_and_is_no_sign_of_life() {
    let world = World::start(restful()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.pass(Duration::from_mins(2)).await;
    let (command, told) = world.running.commands().expect();
    world.describe("a", command, "Truck");
    assert_eq!(told.await, Ok(CommandOutcome::Done { version: 2 }));
    world.until("the device is passivated again", || world.running.active() == 0).await;
    assert_eq!(passivations(&world, "a"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_device_is_passivated_too_and_its_versions_go_on() {
    let world = World::start(restful()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    let (command, told) = world.running.commands().expect();
    world.forget("a", command);
    assert_eq!(told.await, Ok(CommandOutcome::Done { version: 2 }));
    world.pass(Duration::from_mins(2)).await;
    assert_eq!(world.running.active(), 0);
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::Forgotten), (3, EventType::Created)]);
}

#[tokio::test(start_paused = true)]
async fn devices_that_come_back_together_are_each_loaded_once() {
    let world = World::start(restful()).await;
    let ids: Vec<String> = (0..500).map(|at| format!("device-{at}")).collect();
    let readings = |from: u64, degrees| -> Vec<_> {
        ids.iter().enumerate().map(|(at, id)| (id.as_str(), world.reading(from + at as u64, degrees, 0.0))).collect()
    };
    world.take(&readings(0, 20.0)).await;
    world.pass(Duration::from_mins(2)).await;
    assert_eq!(world.running.active(), 0);
    world.store.inner.lock().failing_loads = 7;
    let twice = [readings(1_000, 30.0), readings(2_000, 40.0)].concat();
    world.take(&twice).await;
    assert!(ids.iter().all(|id| world.events(id).len() == 3));
    assert_eq!(world.store.inner.lock().loads.len(), 507);
    assert_eq!(world.running.trouble(), None);
}
