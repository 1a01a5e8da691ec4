//! One broker for all tests, a virtual host for each; movers; waiting for what has to come.

use crate::devices::Devices;
use crate::publisher::Publisher;
use fieldwatch_broker::{MoverStatus, Original, OriginalMover, OriginalOptions, RabbitAddress, RabbitOptions, RabbitQueue};
use fieldwatch_domain::Timestamp;
use fieldwatch_real_servers::{rabbitmq::RabbitMq, skipped};
use fieldwatch_wire::ingest::{Limits, LocalClock};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Longer than anything should take; nothing waits for it that comes sooner.
const PATIENCE: Duration = Duration::from_mins(1);

static BROKER: OnceLock<Result<RabbitMq, String>> = OnceLock::new();

/// A virtual host of a broker, with a publisher and devices.
pub(crate) struct Bench {
    pub(crate) url: String,
    pub(crate) publisher: Publisher,
    pub(crate) devices: Devices,
    pub(crate) vhost: String,
    broker: SocketAddr,
}

/// Begins a test; `None` where there is no broker, which is said.
pub(crate) async fn bench(test: &str) -> Option<Bench> {
    let start = || BROKER.get_or_init(|| RabbitMq::start().map_err(|missing| missing.0));
    let broker = match tokio::task::spawn_blocking(start).await.expect("nobody panicked") {
        Ok(broker) => broker,
        Err(missing) => {
            skipped(test, missing);
            return None;
        }
    };
    let vhost = broker.create_vhost();
    let url = broker.url(&vhost);
    let Some(address) = address(&url) else {
        skipped(test, "a wire to be cut leads to a broker at an IP address only");
        return None;
    };
    let publisher = Publisher::connect(&url).await;
    Some(Bench { publisher, devices: Devices::new(), url, vhost, broker: address })
}

/// What a process has of the broker. Dropped, it is gone as if it was killed.
pub(crate) struct Process {
    mover: OriginalMover,
    _broker: Arc<RabbitQueue>,
}

impl Process {
    pub(crate) async fn stop(self) {
        self.mover.stop().await;
    }
}

impl Deref for Process {
    type Target = OriginalMover;

    fn deref(&self) -> &OriginalMover {
        &self.mover
    }
}

/// How a mover works that is tested: it looks again soon.
pub(crate) fn options(original: Original) -> OriginalOptions {
    let clock = LocalClock::in_zone("UTC").expect("a known zone");
    let options = OriginalOptions::new(original, clock, Limits::default(), now);
    OriginalOptions { look_again: Duration::from_millis(200), ..options }
}

/// Where a broker listens.
fn address(url: &str) -> Option<SocketAddr> {
    url.split_once('@')?.1.split('/').next()?.parse().ok()
}

/// 2026-01-02T00:00:00Z, a day after every message.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_767_312_000_000)
}

/// The broker, if it was started here and may be told what to do.
pub(crate) fn own_broker() -> Option<&'static RabbitMq> {
    BROKER.get().and_then(|broker| broker.as_ref().ok()).filter(|broker| broker.is_ours())
}

impl Bench {
    /// The queue at the broker as a process uses it.
    pub(crate) fn rabbit(&self, options: impl FnOnce(RabbitOptions) -> RabbitOptions) -> Arc<RabbitQueue> {
        RabbitQueue::open(options(RabbitOptions::new(RabbitAddress::parse(&self.url).expect("an address"), "test")))
    }

    pub(crate) fn mover(&self, original: Original) -> Process {
        self.mover_through(original, self.broker)
    }

    /// A mover that reaches the broker by another address.
    pub(crate) fn mover_through(&self, original: Original, address: SocketAddr) -> Process {
        let url = self.url.replace(&self.broker.to_string(), &address.to_string());
        let usage = RabbitOptions::new(RabbitAddress::parse(&url).expect("an address"), "test");
        let broker = RabbitQueue::open(RabbitOptions { partitions: 1, ..usage });
        let options = options(original);
        let queue: Arc<_> = Arc::clone(&self.devices.queue) as _;
        Process { mover: OriginalMover::start(options, &broker, queue), _broker: broker }
    }

    pub(crate) fn broker(&self) -> SocketAddr {
        self.broker
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until a mover says this, and gives all that it says.
pub(crate) async fn said(mover: &OriginalMover, words: &str) -> MoverStatus {
    let begun = Instant::now();
    loop {
        let status = mover.status();
        if status.text.contains(words) {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "{words:?} is not said, but {:?}", status.text);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
