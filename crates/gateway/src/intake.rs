//! What taking readings in needs, and nothing else.

use crate::Parts;
use crate::given_ids::GivenIds;
use crate::problem::Problem;
use crate::work::Work;
use fieldwatch_broker::{Entries, PublishError, ReadingQueue};
use fieldwatch_device_state::{ReadingLabel, ReadingResult, WallClock};
use fieldwatch_wire::ingest::Limits;
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use std::sync::Arc;
use std::time::Duration;

/// So long the queue may take to make entries durable; then the sender is told to repeat them.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(10);

/// The way in.
pub(crate) struct Intake {
    pub(crate) queue: Arc<dyn ReadingQueue>,
    pub(crate) limits: Limits,
    pub(crate) clock: WallClock,
    pub(crate) ids: GivenIds,
    pub(crate) work: Work,
    pub(crate) accepted: Counter,
    pub(crate) rejected: Counter,
    pub(crate) seconds: Histogram,
}

impl Intake {
    pub(crate) fn new(parts: &Parts) -> Self {
        let readings = &parts.readings.readings;
        let count = |result| readings.get_or_create(&ReadingLabel { result }).clone();
        Self {
            queue: Arc::clone(&parts.queue),
            limits: parts.limits,
            clock: Arc::clone(&parts.clock),
            ids: GivenIds::new(),
            work: Work::new(),
            accepted: count(ReadingResult::accepted),
            rejected: count(ReadingResult::rejected),
            seconds: duration_histogram(),
        }
    }

    /// Hands entries to the queue and waits until they are durable.
    pub(crate) async fn publish(&self, entries: Entries) -> Result<(), Problem> {
        match tokio::time::timeout(PUBLISH_PATIENCE, self.queue.publish(entries)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(match &error {
                PublishError::Busy => Problem::unavailable("queue_busy", error.to_string(), 1),
                PublishError::Full(_) => Problem::unavailable("queue_full", error.to_string(), 10),
                PublishError::Unconfirmed(_) => Problem::unavailable("queue_unconfirmed", error.to_string(), 2),
                PublishError::Stopped(_) => Problem::unavailable("queue_stopped", error.to_string(), 30),
            }),
            Err(_) => Err(Problem::unavailable(
                "queue_slow",
                "the queue did not answer in time; what was sent may still be taken, so repeat it with the same reading ids",
                5,
            )),
        }
    }
}

/// From an answer out of memory (50 µs) to one given up (10 s).
pub(crate) fn duration_histogram() -> Histogram {
    Histogram::new([0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
}
