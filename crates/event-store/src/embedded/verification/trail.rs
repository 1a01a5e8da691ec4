//! One device as the walk through the log has it.

use super::report::VerifyReport;
use crate::{DeviceState, Entry};

/// What is known of one device where the walk through the log stands.
#[derive(Default)]
pub(super) struct Trail {
    /// Its newest record of the chain; 0: none was seen.
    pub(super) last: u64,
    pub(super) version: u64,
    /// The fold; `None` while its beginning is not known.
    pub(super) state: Option<DeviceState>,
}

impl Trail {
    /// Goes on by one entry, and says what does not fit.
    pub(super) fn take(&mut self, id: &str, address: u64, entry: Entry, is_known: bool, report: &mut VerifyReport) {
        match entry {
            Entry::Event(event) => {
                if is_known && event.version != self.version + 1 {
                    report.problem(format!("device {id}: version {} at {address} follows version {}", event.version, self.version));
                    self.state = None;
                }
                self.version = event.version;
                if let Some(state) = &mut self.state {
                    state.apply(&Entry::Event(event));
                }
            }
            Entry::Late(_) | Entry::Observation(_) => {
                if let Some(state) = &mut self.state {
                    state.apply(&entry);
                }
            }
            Entry::Passivated(kept) => {
                let kept = DeviceState { device: kept.1, tracking: kept.2 };
                if let Some(state) = &self.state {
                    report.states_compared += 1;
                    if *state != kept {
                        report.problem(format!("device {id}: the state kept at {address} is not what its events give"));
                    }
                }
                self.version = kept.device.version();
                self.state = Some(kept);
            }
        }
    }
}
