//! The original system's exchange and queue: readings that anybody publishes there are moved into the partitions.
//!
//! One process at a time moves; the others stand by. A message is acknowledged after the queue has confirmed its reading, or
//! the dead letters have confirmed the message itself. A crash between moves it twice, which its device recognises: never more
//! than [`held::MOST_OF_ONE_DEVICE`] readings of one device are on the way, and a device knows the ids of its last 16.
//!
//! ```text
//! connect ─▶ find the topology ─▶ hold the queue alone ─▶ take what is there ─▶ publish ─▶ acknowledge ─┐
//!    ▲            │ not there           │ held by another        ▲                                     │
//!    └────────────┴── look again ◀──────┘                        └─────────────────────────────────────┘
//! ```
//!
//! Start at [`OriginalMover`]; the path of a message is [`moving`].

mod moving;

mod held;

mod holding;

mod topology;

mod refusal;

mod status;

pub use status::{MoverMetrics, MoverStatus};

use super::{RabbitQueue, letters::Letters, link::Link, stop::Stopper};
use crate::ReadingQueue;
use fieldwatch_domain::Timestamp;
use fieldwatch_wire::ingest::{Limits, LocalClock};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is done about the original's exchange and queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Original {
    /// What is there is used as it is, and nothing is made.
    #[default]
    Existing,
    /// Durable ones are declared where nothing is.
    Durable,
    /// They are declared as the original does, not durable, so that its own programs can start.
    AsOriginal,
    /// Nothing is moved.
    Off,
}

/// What the exchange, the queue and the key between them are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The exchange, a direct one.
    pub exchange: String,
    /// The queue.
    pub queue: String,
    /// By which the queue is bound to the exchange.
    pub routing_key: String,
}

impl Default for Names {
    fn default() -> Self {
        let [exchange, queue, routing_key] = ["device-events-ex", "device-events-q", "device-events-rk"].map(str::to_owned);
        Self { exchange, queue, routing_key }
    }
}

/// How the mover works.
#[derive(Clone, Debug)]
pub struct OriginalOptions {
    /// What is done about the topology.
    pub original: Original,
    /// What it is called.
    pub names: Names,
    /// The clock by which publishers write their times.
    pub clock: LocalClock,
    /// What is believed of a reading.
    pub limits: Limits,
    /// So many messages are held unacknowledged.
    pub prefetch: u16,
    /// After so long it is looked again for what was not there. Each time the broker logs a refusal, so not more often.
    pub look_again: Duration,
    /// What time it is.
    pub now: fn() -> Timestamp,
}

impl OriginalOptions {
    /// The usual, with this clock on the publishers' wall.
    pub fn new(original: Original, clock: LocalClock, limits: Limits, now: fn() -> Timestamp) -> Self {
        Self { original, names: Names::default(), clock, limits, prefetch: 2_000, look_again: Duration::from_secs(5), now }
    }
}

/// Moves readings from the original's queue into the partitions, as long as it lives.
pub struct OriginalMover {
    parts: Arc<Parts>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    ended: watch::Receiver<bool>,
    /// The connection ends with it.
    _connection: Stopper,
}

/// What the mover works with.
struct Parts {
    options: OriginalOptions,
    link: Link,
    /// The broker may be away for so long before that is said.
    patience: Duration,
    queue: Arc<dyn ReadingQueue>,
    letters: Arc<Letters>,
    said: status::Said,
    metrics: MoverMetrics,
}

impl OriginalMover {
    /// Begins, on the runtime of the caller, and answers at once: the broker need not be there yet. It has a connection of its
    /// own. What it moves is published into `queue`, mostly the same as `broker`; what is unusable becomes a dead letter at the
    /// broker.
    pub fn start(options: OriginalOptions, broker: &RabbitQueue, queue: Arc<dyn ReadingQueue>) -> Self {
        let (connection, until) = Stopper::new();
        let usage = &broker.shared.options;
        let parts = Arc::new(Parts {
            options,
            link: Link::open(usage, "original queue", until),
            patience: usage.deadlines.away,
            queue,
            letters: Arc::clone(&broker.letters),
            said: status::Said::default(),
            metrics: MoverMetrics::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let moving = moving::run(Arc::clone(&parts), stopped);
        let task = tokio::spawn(async move {
            moving.await;
            end.send_replace(true);
        });
        Self { parts, stop, task, ended, _connection: connection }
    }

    /// How it is.
    pub fn status(&self) -> MoverStatus {
        self.parts.said.last()
    }

    /// What it has done.
    pub fn metrics(&self) -> &MoverMetrics {
        &self.parts.metrics
    }

    /// Ends it: what is on the way is finished, what waits goes back to the broker in its order. When this is dropped before
    /// it is done, the mover is ended where it is.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut ended = self.ended.clone();
        // An error says that it has ended otherwise.
        let _ = ended.wait_for(|ended| *ended).await.map(drop);
    }
}

/// Whoever lets go of the mover ends it, where it is: that is a crash as far as the broker can see.
impl Drop for OriginalMover {
    fn drop(&mut self) {
        self.task.abort();
    }
}
