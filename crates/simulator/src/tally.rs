//! What came of the readings that were sent, counted while they are.

use std::time::Duration;

use crate::latency::Latencies;
use crate::verdict::{Verdict, rejected_readings};

/// How many failures are kept in words.
const FAILURES_KEPT: usize = 10;

/// Every reading that was sent is accepted or failed; rejected and refused ones are among the failed.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) failed: u64,
    pub(crate) rejected: u64,
    pub(crate) refused: u64,
    pub(crate) not_sent: u64,
    pub(crate) from_intended: Latencies,
    pub(crate) from_sending: Latencies,
    pub(crate) latest_start: Duration,
    pub(crate) first_failures: Vec<String>,
}

/// When one request was meant to go, went, and was answered, since any common start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) intended: Duration,
    pub(crate) sent: Duration,
    pub(crate) answered: Duration,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            requests: 0,
            sent: 0,
            accepted: 0,
            failed: 0,
            rejected: 0,
            refused: 0,
            not_sent: 0,
            from_intended: Latencies::new(),
            from_sending: Latencies::new(),
            latest_start: Duration::ZERO,
            first_failures: Vec::new(),
        }
    }

    /// Counts the answer to a request with `readings` readings. Latencies are those of readings that were accepted: a
    /// refusal is quick, and would make an overloaded server look fast.
    pub(crate) fn answered(&mut self, readings: u64, times: Times, verdict: &Verdict) {
        let accepted = match verdict {
            Verdict::Judged { accepted, bad_fields } => {
                let accepted = (*accepted).min(readings);
                self.rejected += rejected_readings(bad_fields).min(readings - accepted);
                if let Some(bad) = bad_fields.first() {
                    self.note(|| format!("rejected: {}: {}", bad.field, bad.reason));
                } else if accepted < readings {
                    self.note(|| format!("only {accepted} of {readings} readings were accepted, without a reason"));
                }
                accepted
            }
            Verdict::Busy { status, .. } => {
                self.refused += readings;
                self.note(|| format!("refused with {status}: the server takes no more at the moment"));
                0
            }
            Verdict::Unusable { status, detail } => {
                self.note(|| format!("answered with {status} {detail}").trim_end().to_owned());
                0
            }
        };
        self.count(readings, accepted, times);
        if accepted > 0 {
            self.from_intended.record(times.answered.saturating_sub(times.intended), accepted);
            self.from_sending.record(times.answered.saturating_sub(times.sent), accepted);
        }
    }

    /// Counts a request that got no answer.
    pub(crate) fn unanswered(&mut self, readings: u64, times: Times, reason: &dyn std::fmt::Display) {
        self.note(|| reason.to_string());
        self.count(readings, 0, times);
    }

    fn count(&mut self, readings: u64, accepted: u64, times: Times) {
        self.requests += 1;
        self.sent += readings;
        self.accepted += accepted;
        self.failed += readings - accepted;
        self.latest_start = self.latest_start.max(times.sent.saturating_sub(times.intended));
    }

    fn note(&mut self, failure: impl FnOnce() -> String) {
        if self.first_failures.len() < FAILURES_KEPT {
            self.first_failures.push(failure());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::BadField;

    fn times(intended: u64, sent: u64, answered: u64) -> Times {
        let [intended, sent, answered] = [intended, sent, answered].map(Duration::from_millis);
        Times { intended, sent, answered }
    }

    fn accepted(accepted: u64) -> Verdict {
        Verdict::Judged { accepted, bad_fields: vec![] }
    }

    #[test]
    fn latency_counts_from_the_time_the_reading_was_meant_to_be_sent() {
        let mut tally = Tally::new();
        tally.answered(1, times(100, 900, 910), &accepted(1));
        assert_eq!(tally.from_intended.percentiles().max.as_millis(), 810);
        assert_eq!(tally.from_sending.percentiles().max.as_millis(), 10);
        assert_eq!(tally.latest_start.as_millis(), 800);
    }

    #[test]
    fn every_reading_sent_is_accepted_or_failed() {
        let mut tally = Tally::new();
        let at = times(0, 0, 5);
        let bad = |index| BadField { index, field: "lat".to_owned(), reason: "out of range".to_owned() };
        tally.answered(10, at, &accepted(10));
        tally.answered(10, at, &Verdict::Judged { accepted: 8, bad_fields: vec![bad(1), bad(1), bad(7)] });
        tally.answered(10, at, &Verdict::Busy { status: 503, retry_after: None });
        tally.answered(10, at, &Verdict::Unusable { status: 500, detail: String::new() });
        tally.answered(10, at, &accepted(9));
        tally.unanswered(10, at, &"cut");
        assert_eq!((tally.requests, tally.sent, tally.accepted, tally.failed), (6, 60, 27, 33));
        assert_eq!((tally.rejected, tally.refused), (2, 10));
        assert_eq!(
            tally.first_failures,
            [
                "rejected: lat: out of range",
                "refused with 503: the server takes no more at the moment",
                "answered with 500",
                "only 9 of 10 readings were accepted, without a reason",
                "cut",
            ]
        );
    }

    #[test]
    fn the_first_failures_are_kept_and_no_more() {
        let mut tally = Tally::new();
        for number in 0..1_000 {
            tally.unanswered(1, times(0, 0, 0), &number);
        }
        assert_eq!(tally.first_failures.len(), FAILURES_KEPT);
        assert_eq!(tally.failed, 1_000);
    }
}
