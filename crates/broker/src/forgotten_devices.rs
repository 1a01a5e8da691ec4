//! Which letters may not be shown any more, because their device was forgotten after they were parked.

use fieldwatch_domain::Timestamp;
use std::collections::HashMap;

/// Devices that were forgotten, each with the moment of the last time.
///
/// Letters at a broker carry their time, and no position of an event store: who parks them need not have one. So clocks decide. Of
/// one process they do not err; between two processes they err by what their clocks differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForgottenDevices(HashMap<Box<str>, Timestamp>);

impl ForgottenDevices {
    /// Notes that a device was forgotten.
    pub fn add(&mut self, device_id: &str, at: Timestamp) {
        let newest = self.0.entry(device_id.into()).or_insert(at);
        *newest = at.max(*newest);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a letter is from before its device was forgotten. One of the same millisecond is not: parking takes longer than that,
    /// so it came behind. One whose device or time is not known stays.
    pub fn hide(&self, device_id: Option<&str>, parked_at: Timestamp) -> bool {
        let forgotten_at = device_id.and_then(|id| self.0.get(id));
        parked_at > Timestamp::EPOCH && forgotten_at.is_some_and(|at| parked_at < *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_came_anew_keeps_its_new_letters() {
        let mut forgotten = ForgottenDevices::default();
        for at in [50, 100, 70] {
            forgotten.add("a", Timestamp::from_unix_ms(at));
        }
        let hidden = |id, at| forgotten.hide(id, Timestamp::from_unix_ms(at));
        assert!(hidden(Some("a"), 99) && hidden(Some("a"), 60));
        assert!(!hidden(Some("a"), 100) && !hidden(Some("a"), 101));
        assert!(!hidden(Some("b"), 1) && !hidden(None, 1));
        assert!(!hidden(Some("a"), 0), "one without a time");
    }
}
