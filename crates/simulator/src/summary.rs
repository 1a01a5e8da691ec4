//! What came of a simulation, as a table for people and as JSON for programs.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::latency::{Percentiles, millis, seconds};
use crate::tally::Tally;

/// What came of a simulation. Every reading that was sent is accepted or failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Readings that were sent.
    pub sent: u64,
    /// Readings the server said it accepted.
    pub accepted: u64,
    /// Readings that were sent and not accepted, for whatever reason.
    pub failed: u64,
    /// Of the failed: found bad by the server.
    pub rejected: u64,
    /// Of the failed: refused with 429 or 503, because the server took no more at the moment. They are not sent again.
    pub refused: u64,
    /// Readings that were due and never sent, because no connection was free for too long.
    pub not_sent: u64,
    /// From the start to the last answer.
    pub elapsed: Duration,
    /// Readings accepted per second.
    pub rate: f64,
    /// From when an accepted reading was due to its answer.
    pub latency: Percentiles,
    /// From when an accepted reading was really sent to its answer.
    pub latency_from_sending: Percentiles,
    /// By how much the latest reading was sent later than it was due.
    pub late_schedule: Duration,
    /// The first failures, in words; a bounded number of them.
    pub first_failures: Vec<String>,
}

impl Summary {
    pub(crate) fn of(tally: Tally, elapsed: Duration) -> Summary {
        Summary {
            sent: tally.sent,
            accepted: tally.accepted,
            failed: tally.failed,
            rejected: tally.rejected,
            refused: tally.refused,
            not_sent: tally.not_sent,
            elapsed,
            rate: per_second(tally.accepted, elapsed),
            latency: tally.from_intended.percentiles(),
            latency_from_sending: tally.from_sending.percentiles(),
            late_schedule: tally.latest_start,
            first_failures: tally.first_failures,
        }
    }

    /// Whether every reading that was due was sent and accepted.
    pub fn is_clean(&self) -> bool {
        self.failed == 0 && self.not_sent == 0
    }

    /// One object; times in milliseconds, except `elapsedSeconds`.
    pub fn to_json(&self) -> Value {
        json!({
            "sent": self.sent,
            "accepted": self.accepted,
            "failed": self.failed,
            "rejected": self.rejected,
            "refused": self.refused,
            "notSent": self.not_sent,
            "elapsedSeconds": seconds(self.elapsed),
            "ratePerSecond": (self.rate * 10.0).round() / 10.0,
            "latencyMs": self.latency.to_json(),
            "latencyFromSendingMs": self.latency_from_sending.to_json(),
            "lateScheduleMs": millis(self.late_schedule),
            "firstFailures": self.first_failures,
        })
    }
}

pub(crate) fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latencies = |of: &Percentiles| {
            let [p50, p95, p99, max] = [of.p50, of.p95, of.p99, of.max].map(|latency| format!("{:.2}", millis(latency)));
            format!("p50 {p50:>9}   p95 {p95:>9}   p99 {p99:>9}   max {max:>9}")
        };
        writeln!(f, "  sent        {:>12}", self.sent)?;
        writeln!(f, "  accepted    {:>12}   {:.1}/s over {:.1} s", self.accepted, self.rate, self.elapsed.as_secs_f64())?;
        writeln!(f, "  failed      {:>12}   rejected {}, refused {}", self.failed, self.rejected, self.refused)?;
        if self.not_sent > 0 {
            writeln!(f, "  not sent    {:>12}   they were due, and no connection was free for too long", self.not_sent)?;
        }
        writeln!(f, "  latency ms  {}   from when due", latencies(&self.latency))?;
        writeln!(f, "              {}   from when sent", latencies(&self.latency_from_sending))?;
        write!(f, "  schedule    at most {:.2} ms late", millis(self.late_schedule))?;
        for (number, failure) in self.first_failures.iter().enumerate() {
            if number == 0 {
                write!(f, "\n  first failures")?;
            }
            write!(f, "\n    {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_a_json_object_tell_the_same() {
        let mut tally = Tally::new();
        tally.unanswered(
            2,
            crate::tally::Times { intended: Duration::ZERO, sent: Duration::from_millis(7), answered: Duration::from_millis(9) },
            &"the connection broke",
        );
        let summary = Summary::of(tally, Duration::from_secs(2));
        assert!(!summary.is_clean());
        let table = summary.to_string();
        for part in ["sent                   2", "failed                 2", "at most 7.00 ms late", "the connection broke"] {
            assert!(table.contains(part), "{part} is not in\n{table}");
        }
        let json = summary.to_json();
        assert_eq!(json["failed"], 2);
        assert_eq!(json["lateScheduleMs"], 7.0);
        assert_eq!(json["latencyMs"]["p99"], 0.0);
    }
}
