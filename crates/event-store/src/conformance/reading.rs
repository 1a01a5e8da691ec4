//! Promises about reading back.

use super::{Place, appending::begin, position_of};
use crate::{Entry, HistoryEntry, ReadError};
use fieldwatch_domain::RecordedEvent;

/// The events of what was stored, as they are told.
pub(super) fn events_of(entries: &[Entry]) -> impl Iterator<Item = RecordedEvent> + '_ {
    entries.iter().filter_map(|entry| match entry {
        Entry::Event(event) => Some(event.clone()),
        Entry::Late(_) | Entry::Observation(_) | Entry::Passivated(_) => None,
    })
}

/// All of one device, newest first, whatever the size of a page and wherever it begins.
pub async fn a_history_is_told_newest_first_page_by_page(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let device = opened.numbers.number("device-0");
    let mut expected = Vec::new();
    for _ in 0..60 {
        let mut batch = fleet.reading("other", fleet.state("other").device.version() as i32 * 5, 0);
        for _ in 0..3 {
            let celsius = fleet.draw(50) as i32;
            batch.extend(fleet.reading("device-0", celsius, 0));
        }
        batch.extend(fleet.late_reading("device-0", 1));
        batch.extend(fleet.passivate("device-0"));
        let stored = opened.store.append(batch.into()).await.expect("append");
        expected.extend(stored.entries.iter().filter(|entry| entry.device() == device).filter_map(|entry| match entry {
            Entry::Event(event) => Some(HistoryEntry::Event(event.clone())),
            Entry::Late(late) => Some(HistoryEntry::Late(late.clone())),
            Entry::Observation(_) | Entry::Passivated(_) => None,
        }));
    }
    expected.reverse();
    for page in [1, 7, 1_000] {
        assert_eq!(opened.whole_history("device-0", page).await, expected, "in pages of {page}");
    }
    // Any number may be asked for, not only that of an entry.
    let newest = position_of(&expected[0]);
    for before in [0, 1, newest / 3, newest / 2, newest - 1, newest, newest + 1, u64::MAX] {
        let page = opened.store.history(device, Some(before), 5).await.expect("history");
        let older: Vec<_> = expected.iter().filter(|entry| position_of(entry) < before).take(5).cloned().collect();
        assert_eq!(page.entries, older, "before {before}");
        assert_eq!(page.cut_before, None);
    }
}

/// Every event once, in the order of the log, from the beginning and from any number on.
pub async fn all_events_are_read_from_any_position(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let mut expected: Vec<RecordedEvent> = Vec::new();
    for round in 0..40 {
        let batch: Vec<Entry> = (0..10).flat_map(|device| fleet.reading(&format!("device-{device}"), round * 3 % 7, 0)).collect();
        let stored = opened.store.append(batch.into()).await.expect("append");
        expected.extend(events_of(&stored.entries));
    }
    for page in [1, 9, 1_000] {
        assert_eq!(opened.all_events(0, page).await, expected, "in pages of {page}");
    }
    let newest = opened.store.newest();
    for after in
        [1, expected[0].position, expected[17].position, expected[17].position + 1, newest / 3, newest / 2, newest - 1, newest]
    {
        let later: Vec<_> = expected.iter().filter(|event| event.position > after).cloned().collect();
        assert_eq!(opened.all_events(after, 50).await, later, "after {after}");
    }
    let page = opened.store.read_all(newest, 10).await.expect("read");
    assert!(page.at_end && page.events.is_empty() && page.next >= newest);
    opened.store.append(fleet.reading("device-0", 80, 0).into()).await.expect("append");
    assert_eq!(opened.all_events(page.next, 10).await.len(), 1, "goes on where it ended");
}

/// A number beyond everything is of another log.
pub async fn a_position_that_is_not_in_the_log_is_told(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    opened.store.append(fleet.reading("a", 1, 0).into()).await.expect("append");
    for after in [1 << 50, u64::MAX] {
        let read = opened.store.read_all(after, 10).await;
        assert!(matches!(read, Err(ReadError::NotInLog(told)) if told == after), "{read:?}");
    }
}

/// A late reading is found in its device's history, not among all events, and is counted.
pub async fn late_readings_are_in_the_history_and_are_no_events(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    let device = opened.numbers.number("a");
    let mut entries = fleet.reading("a", 1, 0);
    entries.extend(fleet.late_reading("a", 2));
    let stored = opened.store.append(entries.into()).await.expect("append");
    let [Entry::Event(event), Entry::Late(late)] = stored.entries.as_slice() else { panic!("an event and a late reading") };
    let history = opened.store.history(device, None, 10).await.expect("history");
    assert_eq!(history.entries, [HistoryEntry::Late(late.clone()), HistoryEntry::Event(event.clone())]);
    assert_eq!(opened.all_events(0, 10).await, std::slice::from_ref(event));
    let state = opened.store.load(device).await.expect("load");
    assert_eq!(state.tracking.late_readings, 1);
    assert_eq!(state, fleet.state("a"));
}

/// What a reading without event leaves is part of the state, survives a start, and is shown nowhere.
pub async fn observations_are_remembered_and_never_shown(place: &dyn Place) {
    let (opened, mut fleet) = begin(place).await;
    opened.store.append(fleet.reading("a", 1, 0).into()).await.expect("append");
    for _ in 0..20 {
        let entries = fleet.reading("a", 1, 0);
        assert!(matches!(entries.as_slice(), [Entry::Observation(_)]));
        let stored = opened.store.append(entries.into()).await.expect("append");
        assert_eq!(stored.newest, opened.store.newest());
    }
    let device = opened.numbers.number("a");
    assert_eq!(opened.store.load(device).await.expect("load"), fleet.state("a"));
    assert_eq!(opened.whole_history("a", 10).await.len(), 1);
    assert_eq!(opened.all_events(0, 10).await.len(), 1);
    drop(opened);
    let opened = place.open().await;
    assert_eq!(&opened.recover().await.0, fleet.states());
}
