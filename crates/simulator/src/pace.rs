//! When each reading is meant to be sent, whatever the server does: an open model.

use std::time::Duration;

/// The intended times of a run: each of `units` (devices, or batches of them) reports once an interval, and their first
/// reports are spread evenly over the first interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// At least 1.
    pub(crate) units: u32,
    /// Above zero.
    pub(crate) interval: Duration,
    /// Nothing is due at this time or later; `None`: without an end.
    pub(crate) duration: Option<Duration>,
}

/// One report that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) unit: u32,
    pub(crate) step: u64,
    /// Since the start of the run.
    pub(crate) at: Duration,
}

impl Pace {
    /// What one of `lanes` lanes sends, in the order of time. A unit stays in its lane, so that its reports stay in order.
    pub(crate) fn lane(self, lane: u32, lanes: u32) -> impl Iterator<Item = Due> + Send {
        (0_u64..)
            .flat_map(move |step| (lane..self.units).step_by(lanes as usize).map(move |unit| self.due(unit, step)))
            .take_while(move |due| self.duration.is_none_or(|end| due.at < end))
    }

    fn due(self, unit: u32, step: u64) -> Due {
        let interval = self.interval.as_nanos();
        let nanos = interval * u128::from(step) + interval * u128::from(unit) / u128::from(self.units);
        // A run that lasts longer than the 584 years which fit is beyond caring.
        Due { unit, step, at: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_report_of_the_run_is_due_once_and_evenly_spread(
            units in 1_u32..200, lanes in 1_u32..20, interval in 1_u64..5_000, intervals in 0_u64..5
        ) {
            let lanes = lanes.min(units);
            let interval = Duration::from_millis(interval);
            let pace = Pace { units, interval, duration: Some(interval * intervals as u32) };
            let mut all: Vec<Due> = Vec::new();
            for lane in 0..lanes {
                let due: Vec<Due> = pace.lane(lane, lanes).collect();
                prop_assert!(due.is_sorted_by_key(|due| due.at));
                all.extend(due);
            }
            prop_assert_eq!(all.len() as u64, u64::from(units) * intervals);
            all.sort_by_key(|due| due.at);
            for (number, due) in all.iter().enumerate() {
                prop_assert_eq!((due.step, u64::from(due.unit)), (number as u64 / u64::from(units), number as u64 % u64::from(units)));
                let even = interval.as_nanos() * number as u128 / u128::from(units);
                prop_assert_eq!(due.at.as_nanos(), even);
            }
        }
    }

    #[test]
    fn without_a_duration_there_is_no_end() {
        let pace = Pace { units: 3, interval: Duration::from_secs(1), duration: None };
        let due = pace.lane(1, 2).nth(1_000_000).expect("endless");
        assert_eq!((due.unit, due.step), (1, 1_000_000));
    }
}
