//! Sends what a pace makes due, at its time, over a fixed number of connections.
//!
//! The server cannot slow the schedule down. A reading that waited for a connection is late, and its latency counts from
//! when it was due: otherwise the worst moments of a server would be the ones that are measured least ("coordinated omission").

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::{Connection, ExchangeError, RequestHead};
use crate::pace::{Due, Pace};
use crate::tally::{Tally, Times};
use crate::target::Target;
use crate::verdict::{Endpoint, judge};

/// How long one request may take before it counts as failed.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// How long after the end of a run what was due before it is still sent.
const GRACE: Duration = Duration::from_secs(10);
/// In a run without an end, what is later than this is left out: a machine that slept through the night does not send the night.
const LATEST_IN_ENDLESS_RUN: Duration = Duration::from_secs(30);

/// Where the bodies of the requests come from.
pub(crate) trait Source: Send + Sync + 'static {
    /// Which path the bodies are for.
    fn endpoint(&self) -> Endpoint;
    /// The content type of the bodies.
    fn content_type(&self) -> &'static str;
    /// How many readings a body of `unit` has.
    fn readings(&self, unit: u32) -> u64;
    /// Appends the body for what is due.
    fn write_body(&self, due: Due, body: &mut Vec<u8>);
}

/// A run under way.
pub(crate) struct Run {
    started: Instant,
    tally: Arc<Mutex<Tally>>,
    lanes: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Run {
    /// Starts to send. The run ends by itself when the pace has an end; dropping it ends it at once.
    pub(crate) fn start<S: Source>(target: &Arc<Target>, pace: Pace, connections: u32, source: &Arc<S>) -> Run {
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::new(Mutex::new(Tally::new()));
        let started = Instant::now();
        let lanes = connections.clamp(1, pace.units);
        let head = RequestHead::post(target, source.endpoint().path(), source.content_type());
        let mut running = JoinSet::new();
        for number in 0..lanes {
            let lane = Lane {
                started,
                pace,
                connection: Connection::new(Arc::clone(target)),
                head: head.clone(),
                source: Arc::clone(source),
                tally: Arc::clone(&tally),
                stopped: stopped.clone(),
            };
            running.spawn(lane.run(pace.lane(number, lanes)));
        }
        Run { started, tally, lanes: running, stop }
    }

    /// Sends nothing more; what is on its way is still waited for.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Returns when every reading has been sent and answered, or given up.
    ///
    /// Cancel-safe: the run goes on.
    pub(crate) async fn ended(&mut self) {
        while let Some(lane) = self.lanes.join_next().await {
            if let Err(error) = lane
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn tally(&self) -> Tally {
        lock(&self.tally).clone()
    }

    /// How many readings were sent, accepted and failed so far.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let tally = lock(&self.tally);
        (tally.sent, tally.accepted, tally.failed)
    }
}

/// A tally is whole between any two of its steps, so one whose holder panicked still tells the truth.
fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection and the units that send over it.
struct Lane<S> {
    started: Instant,
    pace: Pace,
    connection: Connection,
    head: RequestHead,
    source: Arc<S>,
    tally: Arc<Mutex<Tally>>,
    stopped: watch::Receiver<bool>,
}

impl<S: Source> Lane<S> {
    async fn run(mut self, schedule: impl Iterator<Item = Due>) {
        let (mut body, mut request) = (Vec::new(), Vec::new());
        for due in schedule {
            if !self.wait_for(due).await {
                return;
            }
            let readings = self.source.readings(due.unit);
            if self.is_too_late(due) {
                lock(&self.tally).not_sent += readings;
                continue;
            }
            body.clear();
            self.source.write_body(due, &mut body);
            self.head.write_request(&body, &mut request);
            self.send(due, readings, &request).await;
        }
    }

    /// Waits until the reading is due; false when the run was stopped before.
    async fn wait_for(&mut self, due: Due) -> bool {
        if *self.stopped.borrow() {
            return false;
        }
        let intended = self.started + due.at;
        if intended <= Instant::now() {
            return true;
        }
        tokio::select! {
            () = sleep_until(intended) => true,
            // The other end is never dropped before the lanes are.
            _ = self.stopped.changed() => false,
        }
    }

    fn is_too_late(&self, due: Due) -> bool {
        let now = self.started.elapsed();
        match self.pace.duration {
            Some(duration) => now > duration + GRACE,
            None => now > due.at + LATEST_IN_ENDLESS_RUN,
        }
    }

    async fn send(&mut self, due: Due, readings: u64, request: &[u8]) {
        let sent_at = Instant::now();
        let answer = timeout_at(sent_at + REQUEST_DEADLINE, self.connection.exchange(request)).await;
        let times = Times { intended: due.at, sent: sent_at - self.started, answered: self.started.elapsed() };
        match answer {
            Ok(Ok(answer)) => {
                let verdict = judge(self.source.endpoint(), &answer);
                lock(&self.tally).answered(readings, times, &verdict);
            }
            Ok(Err(error)) => self.unanswered(readings, times, &error),
            Err(_) => {
                lock(&self.tally).unanswered(readings, times, &format_args!("no answer within {} s", REQUEST_DEADLINE.as_secs()));
            }
        }
    }

    fn unanswered(&self, readings: u64, times: Times, error: &ExchangeError) {
        lock(&self.tally).unanswered(readings, times, error);
    }
}
