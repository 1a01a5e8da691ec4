//! Which devices have changed since the last tick, for streams of frames.

use crate::device_set::DeviceSet;
use fieldwatch_domain::DeviceNumber;
use fieldwatch_event_store::{Entry, Stored};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Readings without an event are told so often: within the 5 s of the contract, and a million of them cost little.
const QUIET_EVERY: Duration = Duration::from_secs(2);
/// What is not an event waits when a frame has so many devices already: about 2 MB of text.
const MOST_DEVICES: usize = 50_000;

/// What has changed. Nothing is noted while there is no stream of frames.
#[derive(Default)]
pub(crate) struct Noted {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    streams: usize,
    /// Position of the newest event that was announced.
    announced: u64,
    /// Changed by an event: told at the next tick, all of them, so that a frame's position is true.
    by_event: DeviceSet,
    /// To be told at the next tick that has room.
    soon: DeviceSet,
    /// Heard of without an event.
    quiet: DeviceSet,
    quiet_told_at: Option<Instant>,
    ticks: u64,
    /// The position of the last tick.
    ticked_to: u64,
}

/// What is told at one tick.
pub(crate) struct Changed {
    /// The number of the tick: 1, 2, 3 …
    pub(crate) tick: u64,
    /// Every event up to here is in the values of the devices.
    pub(crate) position: u64,
    pub(crate) devices: Vec<DeviceNumber>,
}

impl Noted {
    pub(crate) fn announce(&self, stored: &Stored) {
        let mut inner = self.inner.lock();
        inner.announced = inner.announced.max(stored.newest);
        if inner.streams == 0 {
            return;
        }
        for entry in &stored.entries {
            match entry {
                Entry::Event(event) => inner.by_event.insert(event.device),
                Entry::Late(late) => inner.quiet.insert(late.device),
                Entry::Observation(seen) => inner.quiet.insert(seen.device),
                Entry::Passivated(_) => {}
            }
        }
    }

    pub(crate) fn refresh(&self, devices: &[DeviceNumber]) {
        let mut inner = self.inner.lock();
        if inner.streams > 0 {
            for device in devices {
                inner.soon.insert(*device);
            }
        }
    }

    /// Notes for one more stream from now on, and gives the number of the last tick before.
    pub(crate) fn join(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.streams += 1;
        inner.ticks
    }

    /// One stream less.
    pub(crate) fn leave(&self) {
        let mut inner = self.inner.lock();
        inner.streams -= 1;
        if inner.streams == 0 {
            inner.by_event.clear();
            inner.soon.clear();
            inner.quiet.clear();
        }
    }

    /// What is to be told now; `None` when nothing is.
    pub(crate) fn take(&self) -> Option<Changed> {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if inner.streams == 0 {
            return None;
        }
        let now = Instant::now();
        if inner.quiet_told_at.is_none_or(|told_at| now - told_at >= QUIET_EVERY) {
            inner.soon.take_all_of(&mut inner.quiet);
            inner.quiet_told_at = Some(now);
        }
        // A device's values are told as they are now, so once is enough.
        inner.soon.subtract(&inner.by_event);
        inner.quiet.subtract(&inner.by_event);
        let mut devices = inner.by_event.take(usize::MAX);
        devices.append(&mut inner.soon.take(MOST_DEVICES.saturating_sub(devices.len())));
        if devices.is_empty() && inner.announced == inner.ticked_to {
            return None;
        }
        inner.ticked_to = inner.announced;
        inner.ticks += 1;
        Some(Changed { tick: inner.ticks, position: inner.announced, devices })
    }
}
