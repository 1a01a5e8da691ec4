//! A device's state as the store can rebuild it.

use crate::Entry;
use fieldwatch_domain::{Device, DeviceEvent, Tracking};

/// The fold of a device's entries: its state, and what its readings left besides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceState {
    /// The fold of its events.
    pub device: Device,
    /// What its readings left besides.
    pub tracking: Tracking,
}

impl DeviceState {
    /// Folds an entry of this device. Cannot fail, so replay cannot fail either.
    ///
    /// This is the one place that says what an entry means, for live state and for replay alike.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Event(recorded) => {
                self.device.apply(&recorded.event, recorded.recorded_at);
                if matches!(recorded.event, DeviceEvent::Forgotten) {
                    // Nothing of a forgotten device may be told, not even by recognising its readings.
                    self.tracking = Tracking::default();
                } else if let Some(id) = &recorded.reading_id {
                    self.tracking.observe(recorded.at, recorded.received_at, id);
                }
            }
            Entry::Late(late) => self.tracking.observe_late(late.received_at, late.reading_id.fingerprint()),
            Entry::Observation(seen) => self.tracking.observe_fingerprint(seen.at, seen.received_at, seen.fingerprint),
            Entry::Passivated(state) => (_, self.device, self.tracking) = (**state).clone(),
        }
    }
}
