//! What a check of a store tells.

/// So many problems are told in words; of more only the number, so that a ruined store does not fill memory.
const PROBLEMS_TOLD: usize = 1_000;

/// What [`verify`](crate::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Segment files looked at.
    pub segments: u64,
    /// Commits with right checksums.
    pub frames: u64,
    /// Their bytes.
    pub frame_bytes: u64,
    /// Bytes at the end that are no commit: one in progress, or one that a crash cut short. No problem.
    pub unfinished_bytes: u64,
    /// Devices.
    pub devices: u64,
    /// Events.
    pub events: u64,
    /// Late readings.
    pub late_readings: u64,
    /// Observations.
    pub observations: u64,
    /// States of passivated devices.
    pub passivated: u64,
    /// Records that were erased because their devices were forgotten.
    pub erased: u64,
    /// Snapshot files looked at.
    pub snapshot_files: u64,
    /// States that were compared with what replay gives.
    pub states_compared: u64,
    /// What is wrong, a line each; empty: the store is sound.
    pub problems: Vec<String>,
    /// Further problems that are not told in words.
    pub further_problems: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.further_problems == 0
    }

    pub(super) fn problem(&mut self, text: String) {
        if self.problems.len() < PROBLEMS_TOLD {
            self.problems.push(text);
        } else {
            self.further_problems += 1;
        }
    }
}
