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

    fn append(&self, mut batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        // The state of a device that has not begun is not its state.
        batch.entries.retain(|entry| !matches!(entry, Entry::Passivated(state) if !self.has_begun(state.0)));
        self.inner.append(batch)
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
