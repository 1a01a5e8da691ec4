//! `devices.restore = false`: devices begin anew, and their history goes on.
//!
//! A device that reported before this start counts as one that was never heard of: its next reading raises
//! `DeviceHasBeenCreated`, which sets all its values, and its version goes on. Nothing of what is stored is lost by that. So
//! what is known of a device only because it is not restored must never be written: a later start with `restore = true`
//! finds the same as if this one had not been.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use fieldwatch_domain::{Celsius, Device, DeviceEvent, DeviceNumber, Location, Presence, Tracking};
use fieldwatch_event_store::{
    AppendError, Batch, BoxFuture, DeviceState, Entry, EventStore, EventsPage, HistoryPage, Metrics, ReadError, RecoverError,
    Recovered, Recovery, ShelfSnapshot, StoreHealth, Stored,
};

/// A device of which only the version is known.
pub(super) fn only_version(version: u64) -> DeviceState {
    let (temperature, location) = (Celsius::default(), Location::default());
    let device = Device::from_stored(version, Presence::Unknown, temperature, temperature, location, location, None);
    DeviceState { device, tracking: Tracking::default() }
}

/// A store that does not tell what devices were before this start, except to those who ask for history.
pub(super) struct Unrestored {
    inner: Arc<dyn EventStore>,
    /// The devices that were created since: what is stored of them is right again. As large as the fleet at most.
    begun: Arc<Mutex<HashSet<DeviceNumber>>>,
}

impl Unrestored {
    pub(super) fn over(inner: Arc<dyn EventStore>) -> Self {
        let begun: Arc<Mutex<HashSet<DeviceNumber>>> = Arc::default();
        let told = Arc::clone(&begun);
        inner.subscribe(Box::new(move |stored| {
            for entry in &stored.entries {
                if let Entry::Event(recorded) = entry
                    && matches!(recorded.event, DeviceEvent::Created { .. })
                {
                    told.lock().unwrap_or_else(PoisonError::into_inner).insert(recorded.device);
                }
            }
        }));
        Self { inner, begun }
    }

    fn has_begun(&self, device: DeviceNumber) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).contains(&device)
    }
}

impl EventStore for Unrestored {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn log_id(&self) -> &str {
        self.inner.log_id()
    }

    fn newest(&self) -> u64 {
        self.inner.newest()
    }

    fn recover<'a>(&'a self, visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        self.inner.recover(visit)
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        // The state of a device that has not begun is not its state.
        let is_withheld = |entry: &Entry| matches!(entry, Entry::Passivated(state) if !self.has_begun(state.0));
        let Batch { entries, checkpoints } = batch;
        let (withheld, kept): (Vec<_>, Vec<_>) = entries.into_iter().enumerate().partition(|(_, entry)| is_withheld(entry));
        let entries = kept.into_iter().map(|(_, entry)| entry).collect();
        Box::pin(async move {
            let stored = self.inner.append(Batch { entries, checkpoints }).await?;
            Ok(if withheld.is_empty() { stored } else { Arc::new(with_withheld(&stored, withheld)) })
        })
    }

    fn subscribe(&self, subscriber: Box<dyn Fn(&Arc<Stored>) + Send + Sync>) {
        self.inner.subscribe(subscriber);
    }

    fn load(&self, device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        Box::pin(async move {
            let state = self.inner.load(device).await?;
            Ok(if self.has_begun(device) { state } else { only_version(state.device.version()) })
        })
    }

    fn history(&self, device: DeviceNumber, before: Option<u64>, limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        self.inner.history(device, before, limit)
    }

    fn last_forgotten(&self, device: DeviceNumber) -> BoxFuture<'_, Result<Option<u64>, ReadError>> {
        self.inner.last_forgotten(device)
    }

    fn read_all(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        self.inner.read_all(after, limit)
    }

    fn wants_snapshot(&self, _shelf: usize) -> bool {
        false
    }

    fn save_snapshot(&self, _snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        // It would say of devices that have not begun that they are unknown. The log says better.
        Box::pin(async { Ok(()) })
    }

    fn health(&self) -> StoreHealth {
        self.inner.health()
    }

    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        self.inner.tidy()
    }

    fn metrics(&self) -> &Metrics {
        self.inner.metrics()
    }
}

/// The entries that were not stored at their places among those that were: whoever appended finds each of its own there.
fn with_withheld(stored: &Stored, withheld: Vec<(usize, Entry)>) -> Stored {
    let mut entries = Vec::with_capacity(stored.entries.len() + withheld.len());
    let mut kept = stored.entries.iter().cloned();
    for (place, entry) in withheld {
        entries.extend(kept.by_ref().take(place - entries.len()));
        entries.push(entry);
    }
    entries.extend(kept);
    Stored { entries, newest: stored.newest }
}

#[cfg(test)]
mod tests {
    use fieldwatch_domain::{RecordedEvent, Timestamp};

    use super::*;

    type Subscriber = Box<dyn Fn(&Arc<Stored>) + Send + Sync>;

    /// A store that remembers what was appended, and says of every device that it is at version 7 and present.
    #[derive(Default)]
    struct FakeStore {
        subscribers: Mutex<Vec<Subscriber>>,
        appended: Mutex<Vec<Entry>>,
        metrics: Metrics,
    }

    impl EventStore for FakeStore {
        fn kind(&self) -> &'static str {
            "fake"
        }

        fn log_id(&self) -> &'static str {
            "fake"
        }

        fn newest(&self) -> u64 {
            0
        }

        fn recover<'a>(&'a self, _visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
            Box::pin(async { Ok(Recovery::default()) })
        }

        fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
            self.appended.lock().expect("no panic").extend(batch.entries.iter().cloned());
            let stored = Arc::new(Stored { entries: batch.entries, newest: 0 });
            for subscriber in &*self.subscribers.lock().expect("no panic") {
                subscriber(&stored);
            }
            Box::pin(async { Ok(stored) })
        }

        fn subscribe(&self, subscriber: Subscriber) {
            self.subscribers.lock().expect("no panic").push(subscriber);
        }

        fn load(&self, _device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
            Box::pin(async { Ok(present(7)) })
        }

        fn history(&self, _: DeviceNumber, _: Option<u64>, _: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
            Box::pin(async { Ok(HistoryPage::default()) })
        }

        fn read_all(&self, _: u64, _: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
            Box::pin(async { Ok(EventsPage::default()) })
        }

        fn wants_snapshot(&self, _: usize) -> bool {
            true
        }

        fn save_snapshot(&self, _: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
            panic!("a snapshot of devices that were not restored was saved")
        }

        fn health(&self) -> StoreHealth {
            StoreHealth::default()
        }

        fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
            Box::pin(async { Ok(()) })
        }

        fn metrics(&self) -> &Metrics {
            &self.metrics
        }
    }

    const DEVICE: DeviceNumber = DeviceNumber::from_u32(3);

    fn present(version: u64) -> DeviceState {
        let mut state = only_version(version - 1);
        state.device.apply(&created(), Timestamp::EPOCH);
        state
    }

    fn created() -> DeviceEvent {
        DeviceEvent::Created { temperature: Celsius::default(), location: Location::default() }
    }

    fn creation() -> Entry {
        let time = Timestamp::EPOCH;
        Entry::Event(RecordedEvent {
            device: DEVICE,
            version: 8,
            position: 0,
            at: time,
            recorded_at: time,
            received_at: time,
            reading_id: None,
            event: created(),
        })
    }

    fn passivated() -> Entry {
        Entry::Passivated(Box::new((DEVICE, only_version(7).device, Tracking::default())))
    }

    #[tokio::test]
    async fn a_device_is_unknown_at_its_version_until_it_is_created_anew() {
        let store = Unrestored::over(Arc::new(FakeStore::default()));
        assert_eq!(store.load(DEVICE).await.expect("there"), only_version(7));
        store.append(Batch { entries: vec![creation()], checkpoints: Vec::new() }).await.expect("stored");
        assert_eq!(store.load(DEVICE).await.expect("there"), present(7));
        assert_eq!(store.load(DeviceNumber::from_u32(4)).await.expect("there"), only_version(7));
    }

    #[tokio::test]
    async fn nothing_is_written_that_says_a_device_is_unknown() {
        let inner = Arc::new(FakeStore::default());
        let store = Unrestored::over(inner.clone());
        let append = |entries| store.append(Batch { entries, checkpoints: Vec::new() });
        append(vec![passivated()]).await.expect("stored");
        assert!(inner.appended.lock().expect("no panic").is_empty());
        append(vec![creation()]).await.expect("stored");
        append(vec![passivated()]).await.expect("stored");
        assert_eq!(inner.appended.lock().expect("no panic").len(), 2);
        assert!(!store.wants_snapshot(0));
        store.save_snapshot(ShelfSnapshot::default()).await.expect("nothing is done");
    }
    #[tokio::test]
    async fn whoever_appends_finds_each_entry_at_its_place_stored_or_not() {
        let store = Unrestored::over(Arc::new(FakeStore::default()));
        let mut other = creation();
        if let Entry::Event(event) = &mut other {
            event.device = DeviceNumber::from_u32(9);
        }
        let entries = vec![passivated(), other.clone(), passivated(), other, passivated()];
        let stored = store.append(Batch { entries: entries.clone(), checkpoints: Vec::new() }).await.expect("stored");
        assert_eq!(stored.entries, entries);
    }
}
