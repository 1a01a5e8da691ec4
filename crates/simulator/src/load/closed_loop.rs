//! A closed loop: each connection sends its next request as soon as the last is answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::{LoadReport, Rounds};
use crate::client::Connection;
use crate::tally::{Tally, Times};
use crate::target::Target;
use crate::verdict::{Endpoint, Verdict, judge};

/// How long a request may stay unanswered.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// How long a lane that was refused waits: short, since the question is what the server takes.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(5);

/// What is sent before the measured time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Warmup {
    /// Each device reports once.
    OneRound,
    For(Duration),
}

/// How long the measured time is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    For(Duration),
    /// Until each batch was taken so many times, half of them in each variant.
    Rounds {
        rounds: u32,
        at_most: Duration,
    },
}

pub(super) async fn closed_loop(target: &Arc<Target>, rounds: Vec<Rounds>, warmup: Warmup, span: Span) -> LoadReport {
    let measured = Arc::new(Mutex::new(Measured { tally: Tally::new(), events: 0, accepted_before: 0 }));
    let warm = Arc::new(Barrier::new(rounds.len()));
    let mut lanes = JoinSet::new();
    for rounds in rounds {
        let lane = ClosedLane { connection: Connection::new(Arc::clone(target)), rounds, measured: Arc::clone(&measured), next: 0 };
        lanes.spawn(lane.run(Arc::clone(&warm), warmup, span));
    }
    let spans = lanes.join_all().await;
    let started = spans.iter().map(|(started, _)| *started).min().unwrap_or_else(Instant::now);
    let ended = spans.iter().map(|(_, ended)| *ended).max().unwrap_or(started);
    let measured = lock(&measured);
    LoadReport::of(measured.tally.clone(), measured.events, measured.accepted_before, started, ended - started)
}

struct Measured {
    tally: Tally,
    events: u64,
    accepted_before: u64,
}

/// Counts are whole between any two steps, so a holder that panicked leaves them true.
fn lock(measured: &Mutex<Measured>) -> std::sync::MutexGuard<'_, Measured> {
    measured.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection of a closed loop.
struct ClosedLane {
    connection: Connection,
    rounds: Rounds,
    measured: Arc<Mutex<Measured>>,
    /// Which request comes next, counted through both variants.
    next: usize,
}

impl ClosedLane {
    /// Returns when the measured time began and ended for this lane.
    async fn run(mut self, all_are_warm: Arc<Barrier>, warmup: Warmup, span: Span) -> (Instant, Instant) {
        match warmup {
            Warmup::OneRound => {
                for _ in 0..self.rounds.variants[0].len() {
                    self.send(Phase::Warmup).await;
                }
            }
            Warmup::For(warmup) => {
                let end = Instant::now() + warmup;
                while Instant::now() < end {
                    self.send(Phase::Warmup).await;
                }
            }
        }
        all_are_warm.wait().await;
        let started = Instant::now();
        let (end, last) = match span {
            Span::For(duration) => (started + duration, usize::MAX),
            Span::Rounds { rounds, at_most } => (started + at_most, self.next + rounds as usize * self.rounds.variants[0].len()),
        };
        let mut now = started;
        while now < end && self.next < last {
            now = self.send(Phase::Measured).await;
        }
        (started, now)
    }

    /// Sends the next request and returns when it was answered.
    async fn send(&mut self, phase: Phase) -> Instant {
        let [first, second] = &self.rounds.variants;
        let number = self.next % (2 * first.len());
        let request = if number < first.len() { &first[number] } else { &second[number - first.len()] };
        let sent = Instant::now();
        let answer = timeout(REQUEST_DEADLINE, self.connection.exchange(&request.bytes)).await;
        let answered = Instant::now();
        let times = Times { intended: Duration::ZERO, sent: Duration::ZERO, answered: answered - sent };
        let verdict = match answer {
            Ok(Ok(answer)) => Ok(judge(Endpoint::Readings, &answer)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", REQUEST_DEADLINE.as_secs())),
        };
        let accepted = match &verdict {
            Ok(Verdict::Judged { accepted, .. }) => *accepted,
            Ok(Verdict::Busy { .. } | Verdict::Unusable { .. }) | Err(_) => 0,
        };
        // Only a whole batch is known to have changed what it should.
        let events = if accepted == request.readings { request.changes } else { 0 };
        {
            let mut measured = lock(&self.measured);
            match (phase, &verdict) {
                (Phase::Warmup, _) => measured.accepted_before += accepted,
                (Phase::Measured, Ok(verdict)) => {
                    measured.events += events;
                    measured.tally.answered(request.readings, times, verdict);
                }
                (Phase::Measured, Err(error)) => measured.tally.unanswered(request.readings, times, error),
            }
        }
        if accepted == 0 {
            // The same request again, so that the variants keep alternating.
            sleep_until(answered + PAUSE_AFTER_REFUSAL).await;
        } else {
            self.next += 1;
        }
        answered
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warmup,
    Measured,
}
