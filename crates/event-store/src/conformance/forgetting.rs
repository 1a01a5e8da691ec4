//! Promises about forgetting.

use super::{Fleet, Opened, Place, appending::begin};
use crate::{HistoryEntry, ShelfSnapshot, store::walk_to_forgetting};
use fieldwatch_domain::{DeviceEvent, DeviceNumber, SHELVES};

/// Fills two devices, and forgets `a` after `rounds` readings of each.
async fn forget_after(opened: &Opened, fleet: &mut Fleet, rounds: i32) {
    for round in 0..rounds {
        let mut entries = fleet.reading("a", round * 5, 0);
        entries.extend(fleet.reading("b", round * 5, 0));
        entries.extend(fleet.late_reading("a", 1));
        entries.extend(fleet.reading("a", round * 5, 0));
        opened.store.append(entries.into()).await.expect("append");
    }
    opened.store.append(fleet.forget("a").into()).await.expect("append");
}

fn is_forgotten(event: &DeviceEvent) -> bool {
    matches!(event, DeviceEvent::Forgotten)
}

/// Nothing from before the last forgetting is told, except that it was forgotten.
async fn only_what_came_after_is_told(opened: &Opened, versions_after: &[u64]) {
    let device = opened.numbers.number("a");
    let told = opened.all_events(0, 7).await;
    let of_a: Vec<_> = told.iter().filter(|event| event.device == device && !is_forgotten(&event.event)).collect();
    assert_eq!(of_a.iter().map(|event| event.version).collect::<Vec<_>>(), versions_after);
    assert!(told.iter().any(|event| event.device == device && is_forgotten(&event.event)));
    for entry in opened.whole_history("a", 3).await {
        match entry {
            HistoryEntry::Event(event) => assert!(is_forgotten(&event.event) || versions_after.contains(&event.version)),
            HistoryEntry::Late(late) => panic!("{late:?} is from before"),
        }
    }
    for before in told.iter().map(|event| event.position) {
        let page = opened.store.history(device, Some(before), 100).await.expect("history");
        let telling = |entry: &HistoryEntry| matches!(entry, HistoryEntry::Event(event) if is_forgotten(&event.event) || versions_after.contains(&event.version));
        assert!(page.entries.iter().all(telling), "asked from a position before it was forgotten");
    }
}

/// From the moment the append is answered.
pub async fn of_a_forgotten_device_nothing_is_told(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    forget_after(&opened, &mut fleet, 10).await;
    only_what_came_after_is_told(&opened, &[]).await;
    let of_b = opened.all_events(0, 100).await.into_iter().filter(|event| event.device == opened.numbers.number("b"));
    assert_eq!(of_b.count(), 10, "others are told as before");
}

/// A later reading creates it anew, and remembers nothing of before but the version.
pub async fn a_forgotten_device_begins_anew_and_its_versions_go_on(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    forget_after(&opened, &mut fleet, 3).await;
    let device = opened.numbers.number("a");
    let forgotten = opened.store.load(device).await.expect("load");
    assert_eq!(forgotten, fleet.state("a"));
    let version = forgotten.device.version();
    opened.store.append(fleet.reading("a", 99, 0).into()).await.expect("append");
    opened.store.append(fleet.reading("a", 11, 0).into()).await.expect("append");
    only_what_came_after_is_told(&opened, &[version + 1, version + 2]).await;
    assert_eq!(opened.store.load(device).await.expect("load"), fleet.state("a"));
}

/// Of each device by itself, the last time counts, and a start and tidying change nothing.
pub async fn it_is_told_where_a_device_was_forgotten_last(place: &dyn Place) {
    let (mut opened, mut fleet) = begin(place).await;
    let mut last = None;
    for _ in 0..2 {
        forget_after(&opened, &mut fleet, 3).await;
        let forgotten = opened.all_events(0, 100).await.into_iter().rfind(|event| is_forgotten(&event.event));
        assert!(forgotten.as_ref().map(|event| event.position) > last, "it was forgotten again");
        last = forgotten.map(|event| event.position);
        where_forgotten(&opened, last).await;
        for round in 0..5 {
            opened.store.append(fleet.reading("a", 50 + round * 5, 0).into()).await.expect("append");
        }
        where_forgotten(&opened, last).await;
        opened.store.tidy().await.expect("tidy");
        save_all(&opened, &fleet).await;
        drop(opened);
        opened = place.open().await;
        fleet.move_to(&opened.numbers);
        opened.recover().await;
        where_forgotten(&opened, last).await;
    }
}

/// `a` was forgotten there and `b` never, by whatever way the store tells it and by its history.
async fn where_forgotten(opened: &Opened, expected: Option<u64>) {
    for (id, expected) in [("a", expected), ("b", None)] {
        let device = opened.numbers.number(id);
        assert_eq!(opened.store.last_forgotten(device).await.expect("asked"), expected);
        assert_eq!(walk_to_forgetting(&*opened.store, device).await.expect("walked"), expected);
    }
}

/// Also when it is forgotten twice, saved, tidied, and started again.
pub async fn what_is_forgotten_stays_forgotten_after_a_start_and_tidying(place: &dyn Place) {
    let (mut opened, mut fleet) = begin(place).await;
    for _ in 0..2 {
        forget_after(&opened, &mut fleet, 5).await;
        opened.store.append(fleet.reading("a", 99, 0).into()).await.expect("append");
        let newest = [fleet.state("a").device.version()];
        opened.store.tidy().await.expect("tidy");
        only_what_came_after_is_told(&opened, &newest).await;
        drop(opened);
        opened = place.open().await;
        fleet.move_to(&opened.numbers);
        assert_eq!(&opened.recover().await.0, fleet.states());
        only_what_came_after_is_told(&opened, &newest).await;
        save_all(&opened, &fleet).await;
        drop(opened);
        opened = place.open().await;
        fleet.move_to(&opened.numbers);
        assert_eq!(&opened.recover().await.0, fleet.states());
        only_what_came_after_is_told(&opened, &newest).await;
    }
}

/// Saves every shelf as the fleet has it.
pub async fn save_all(opened: &Opened, fleet: &Fleet) {
    save_all_but(opened, fleet, None).await;
}

/// Saves every shelf as the fleet has it, without one device.
pub async fn save_all_but(opened: &Opened, fleet: &Fleet, left_out: Option<&str>) {
    let mut shelves: Vec<ShelfSnapshot> = (0..SHELVES).map(|shelf| ShelfSnapshot { shelf, devices: Vec::new() }).collect();
    for (id, state) in fleet.states().iter().filter(|(id, _)| Some(id.as_str()) != left_out) {
        let device: DeviceNumber = opened.numbers.number(id);
        shelves[device.shelf()].devices.push((device, state.clone()));
    }
    for shelf in shelves {
        opened.store.save_snapshot(shelf).await.expect("save");
    }
}
