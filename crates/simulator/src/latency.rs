//! How long answers took, as percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Latencies from a microsecond to two minutes, each kept to three significant digits; what is longer counts as two
/// minutes.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    micros: Histogram<u64>,
}

const LONGEST_MICROS: u64 = 120_000_000;

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let micros = Histogram::new_with_bounds(1, LONGEST_MICROS, 3).expect("these bounds are ones a histogram takes");
        Latencies { micros }
    }

    pub(crate) fn record(&mut self, latency: Duration, times: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.micros.saturating_record_n(micros.max(1), times);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| Duration::from_micros(self.micros.value_at_quantile(quantile).min(self.micros.max()));
        Percentiles { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: Duration::from_micros(self.micros.max()) }
    }
}

/// What half, 95 and 99 of a hundred, and all of the answers stayed within; zero where there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Percentiles {
    /// Half of the answers came within this time.
    pub p50: Duration,
    /// 95 of a hundred did.
    pub p95: Duration,
    /// 99 of a hundred did.
    pub p99: Duration,
    /// All did.
    pub max: Duration,
}

impl Percentiles {
    /// The four figures in milliseconds.
    pub fn to_json(&self) -> Value {
        json!({"p50": millis(self.p50), "p95": millis(self.p95), "p99": millis(self.p99), "max": millis(self.max)})
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Seconds, to the millisecond.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new();
        for millis in 1..=1_000 {
            latencies.record(Duration::from_millis(millis), 1);
        }
        let Percentiles { p50, p95, p99, max } = latencies.percentiles();
        for (found, expected) in [(p50, 500.0), (p95, 950.0), (p99, 990.0), (max, 1_000.0)] {
            assert!((millis(found) / expected - 1.0).abs() < 0.002, "{found:?} instead of {expected} ms");
        }
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest_and_nothing_counts_as_zero() {
        assert_eq!(Latencies::new().percentiles(), Percentiles::default());
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_hours(1), 5);
        assert!(latencies.percentiles().p50 >= Duration::from_mins(2));
    }
}
