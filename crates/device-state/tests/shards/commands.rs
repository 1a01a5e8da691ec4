//! What people ask of devices.

use crate::{
    fakes::Next,
    world::{World, options},
};
use fieldwatch_device_state::{CommandOutcome, StateOptions};
use fieldwatch_domain::{Change, Description, DeviceEvent, Edit, EventType};
use fieldwatch_event_store::{AppendError, Entry};

#[tokio::test(start_paused = true)]
async fn a_description_is_stored_and_answered_with_the_version() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    let (command, told) = world.running.commands().expect();
    world.describe("a", command, "Truck");
    assert_eq!(told.await, Ok(CommandOutcome::Done { version: 2 }));
    let Some(Entry::Event(event)) = world.entries("a").pop() else { panic!("an event") };
    assert!(matches!(&event.event, DeviceEvent::Described(description) if description.name() == Some("Truck")));
    assert_eq!((event.at, event.received_at, event.reading_id), (event.recorded_at, event.recorded_at, None));

    let (same, told) = world.running.commands().expect();
    world.describe("a", same, "Truck");
    assert_eq!(told.await, Ok(CommandOutcome::Done { version: 2 }), "nothing changes, nothing is stored");
    assert_eq!(world.events("a").len(), 2);
}

fn name(name: &str) -> Edit {
    Edit::new(Change::Becomes(Some(name)), Change::Stays).expect("a valid name")
}

fn labels(labels: &[&str]) -> Edit {
    let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
    Edit::new(Change::Stays, Change::Becomes(&labels)).expect("valid labels")
}

#[tokio::test(start_paused = true)]
async fn of_two_edits_at_once_none_is_lost() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    let (first, told_first) = world.running.commands().expect();
    let (second, told_second) = world.running.commands().expect();
    world.edit("a", first, &name("Truck"));
    world.edit("a", second, &labels(&["cold"]));
    assert_eq!(told_first.await, Ok(CommandOutcome::Done { version: 2 }));
    assert_eq!(told_second.await, Ok(CommandOutcome::Done { version: 3 }));
    let both = Description::new(Some("Truck"), &["cold".into()]).expect("valid");
    assert_eq!(world.stored("a").device.description(), &both);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_changes_nothing_is_done_and_stores_nothing() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.describe("a", 7, "Truck");
    for edit in [name("Truck"), labels(&[]), Edit::default()] {
        let (command, told) = world.running.commands().expect();
        world.edit("a", command, &edit);
        assert_eq!(told.await, Ok(CommandOutcome::Done { version: 2 }), "{edit:?}");
    }
    assert_eq!(world.events("a").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_edit_brings_nothing_back_of_a_device_that_was_forgotten_meanwhile() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.describe("a", 7, "secret");
    let (late, told_late) = world.running.commands().expect();
    let (anew, told_anew) = world.running.commands().expect();
    world.forget("a", 8);
    world.edit("a", late, &labels(&["cold"]));
    world.send("a", &world.reading(2, 20.0, 0.0));
    world.edit("a", anew, &labels(&["cold"]));
    assert_eq!(told_late.await, Ok(CommandOutcome::UnknownDevice));
    assert_eq!(told_anew.await, Ok(CommandOutcome::Done { version: 5 }));
    assert_eq!(world.stored("a").device.description(), &Description::new(None, &["cold".into()]).expect("valid"));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_not_known_cannot_be_asked_anything() {
    let world = World::start(options()).await;
    let (describe, told_describe) = world.running.commands().expect();
    let (forget, told_forget) = world.running.commands().expect();
    world.describe("a", describe, "Truck");
    world.forget("a", forget);
    assert_eq!(told_describe.await, Ok(CommandOutcome::UnknownDevice));
    assert_eq!(told_forget.await, Ok(CommandOutcome::UnknownDevice));
    assert_eq!(world.running.active(), 0);
}

#[tokio::test(start_paused = true)]
async fn commands_keep_their_place_among_readings_and_strangers_are_not_waited_for() {
    let world = World::start(options()).await;
    world.send("a", &world.reading(1, 20.0, 0.0));
    let (command, told) = world.running.commands().expect();
    world.forget("a", command);
    world.forget("a", command.wrapping_add(1_000));
    world.send("a", &world.reading(1, 21.0, 0.0));
    assert_eq!(told.await, Ok(CommandOutcome::Done { version: 2 }));
    world.settled().await;
    assert_eq!(world.events("a"), [(1, EventType::Created), (2, EventType::Forgotten), (3, EventType::Created)]);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_answered_after_it_is_stored_and_not_before() {
    let world = World::start(options()).await;
    world.take(&[("a", world.reading(1, 20.0, 0.0))]).await;
    world.store_does_next(Next::Refuse(AppendError::Unavailable("away".into())));
    let (command, mut told) = world.running.commands().expect();
    world.describe("a", command, "Truck");
    world.until("the store has refused", || world.store.inner.lock().refused == 1).await;
    assert!(told.try_recv().is_err());
    assert_eq!(told.await, Ok(CommandOutcome::Done { version: 2 }));
}

#[tokio::test(start_paused = true)]
async fn a_command_on_which_the_device_fails_is_parked_and_its_asker_is_told() {
    let world = World::start(StateOptions { panics_on: Some("a".into()), ..options() }).await;
    let (command, told) = world.running.commands().expect();
    let (edit, told_edit) = world.running.commands().expect();
    world.forget("a", command);
    world.edit("a", edit, &name("Truck"));
    assert_eq!(told.await, Ok(CommandOutcome::Parked));
    assert_eq!(told_edit.await, Ok(CommandOutcome::Parked));
    assert_eq!(world.parking.letters.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn mailboxes_are_the_entries_in_hand() {
    let world = World::start(options()).await;
    world.take(&[("idle", world.reading(1, 20.0, 0.0))]).await;
    world.store_does_next(Next::HangBefore);
    for id in 10..13 {
        world.send("busy", &world.reading(id, 20.0, 0.0));
    }
    world.until("the store hangs", || world.store.inner.lock().hanging == 1).await;
    assert_eq!(world.running.mailboxes(10), [(world.device("busy"), 3), (world.device("idle"), 0)]);
    assert_eq!(world.running.mailboxes(1), [(world.device("busy"), 3)]);
}
