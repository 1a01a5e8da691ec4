//! A broker, queues as processes have them, and what is published and consumed through them.

use fieldwatch_broker::{
    Checkpoint, Consumer, Delivery, Entries, Next, PublishError, RabbitAddress, RabbitOptions, RabbitQueue, ReadingQueue,
};
use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Timestamp};
use fieldwatch_real_servers::{Missing, rabbitmq::RabbitMq, skipped};
use fieldwatch_wire::queued::{Request, read_entry};
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Nothing that has to happen takes longer, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

static BROKER: OnceLock<Result<RabbitMq, Missing>> = OnceLock::new();
static IN_USE: RwLock<()> = RwLock::const_new(());

fn broker(test: &str) -> Option<&'static RabbitMq> {
    let broker = BROKER.get_or_init(|| {
        if std::env::var("FIELDWATCH_TEST_LOG").is_ok() {
            let _ = tracing_subscriber::fmt()
                .with_env_filter(std::env::var("FIELDWATCH_TEST_LOG").unwrap_or_default())
                .with_writer(std::io::stderr)
                .try_init();
        }
        RabbitMq::start()
    });
    broker.as_ref().inspect_err(|missing| skipped(test, &missing.0)).ok()
}

/// A broker that others use at the same time.
pub(crate) async fn shared_broker(test: &str) -> Option<(&'static RabbitMq, RwLockReadGuard<'static, ()>)> {
    let guard = IN_USE.read().await;
    let broker = tokio::task::block_in_place(|| broker(test))?;
    Some((broker, guard))
}

/// A broker for this test alone, which may do to it what it likes.
pub(crate) async fn own_broker(test: &str) -> Option<(&'static RabbitMq, RwLockWriteGuard<'static, ()>)> {
    let guard = IN_USE.write().await;
    let broker = tokio::task::block_in_place(|| broker(test))?;
    if !broker.is_ours() {
        skipped(test, "the configured RabbitMQ is left alone");
        return None;
    }
    Some((broker, guard))
}

/// Where a broker listens, for a proxy before it; `None`, which is said, where that is not known.
pub(crate) fn address_behind_proxy(test: &str, broker: &RabbitMq) -> Option<SocketAddr> {
    let address = broker.address();
    if address.is_none() {
        skipped(test, "no proxy is put before the configured RabbitMQ");
    }
    address
}

/// How a process uses a virtual host.
pub(crate) fn options(url: &str, node: &str) -> RabbitOptions {
    let address = RabbitAddress::parse(url).expect("an address");
    RabbitOptions { partitions: 4, log_id: Some("log-1".into()), ..RabbitOptions::new(address, node) }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_ms(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64)
}

pub(crate) fn reading(number: u64) -> Reading {
    Reading {
        temperature: Celsius::from_stored(200_000),
        location: Location::from_stored(1, 2),
        at: None,
        received_at: now(),
        id: ReadingId::given(number),
    }
}

/// The readings of some devices, each device's numbered upwards over all partitions.
pub(crate) fn entries(partitions: u16, readings: impl IntoIterator<Item = (u32, u64)>) -> Entries {
    let mut entries = Entries::new(partitions);
    for (device, number) in readings {
        entries.record(&format!("device-{device}"), &reading(number));
    }
    entries
}

pub(crate) async fn until<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
}

/// Waits until the store has so many readings.
pub(crate) async fn wait_for_count(store: &SharedStore, count: u64) {
    let give_up = Instant::now() + PATIENCE;
    while (store.lock().expect("lock").count() as u64) < count {
        assert!(Instant::now() < give_up, "{count} readings did not come: {:#?}", store.lock().expect("lock").shown());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < give_up, "{what} did not happen within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Publishes again and again until it is taken.
pub(crate) async fn publish(queue: &RabbitQueue, entries: Entries) {
    until("publishing", async {
        while let Err(error) = queue.publish(entries.clone()).await {
            assert!(!matches!(error, PublishError::Stopped(_)), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// What several processes share beside the queue: how far each partition is decided, and what was.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) checkpoints: BTreeMap<u16, Checkpoint>,
    /// The numbers of each device's readings, in the order in which they were stored.
    pub(crate) readings: HashMap<String, Vec<u64>>,
    /// Who has taken over each partition last; of all others nothing is stored, as a real store does it.
    pub(crate) owners: BTreeMap<u16, usize>,
    /// Whether readings are recognised by their ids, as devices do it.
    pub(crate) knows_ids: bool,
    pub(crate) unreadable: u64,
    pub(crate) lines: u64,
}

impl Store {
    pub(crate) fn take(&mut self, delivery: &Delivery) {
        self.take_of(delivery, |_| true);
    }

    fn take_of(&mut self, delivery: &Delivery, is_owned: impl Fn(u16) -> bool) {
        for entry in delivery.entries.iter().filter(|entry| is_owned(entry.partition)) {
            self.lines += 1;
            match read_entry(delivery.form, &delivery.bytes[entry.body.clone()]) {
                Ok((device, Request::Record(reading))) => {
                    let number = reading.id.number().unwrap_or(0);
                    let readings = self.readings.entry(device.into_owned()).or_default();
                    // Refused as unsure, it was published again under the same id.
                    if !(self.knows_ids && readings.contains(&number)) {
                        readings.push(number);
                    }
                }
                Ok(_) => {}
                Err(_) => self.unreadable += 1,
            }
        }
        for checkpoint in delivery.checkpoints.iter().filter(|checkpoint| is_owned(checkpoint.partition)) {
            self.checkpoints.insert(checkpoint.partition, checkpoint.clone());
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.readings.values().map(Vec::len).sum()
    }

    /// What is there of each device, for people.
    pub(crate) fn shown(&self) -> Vec<String> {
        let mut shown: Vec<String> = self
            .readings
            .iter()
            .map(|(device, numbers)| {
                let breaks: Vec<_> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
                format!("{device}: {} up to {:?}, breaks at {breaks:?}", numbers.len(), numbers.last())
            })
            .collect();
        shown.sort();
        shown
    }

    /// Each device's readings 1 to `each`, once and in order.
    pub(crate) fn check(&self, devices: u32, each: u64) {
        let expected: Vec<u64> = (1..=each).collect();
        for device in 0..devices {
            let stored = self.readings.get(&format!("device-{device}"));
            assert_eq!(stored, Some(&expected), "device {device}");
        }
    }
}

/// A process that consumes: takes what comes, stores it, and says so.
pub(crate) struct Process {
    pub(crate) queue: Arc<RabbitQueue>,
    work: tokio::task::JoinHandle<()>,
}

pub(crate) type SharedStore = Arc<std::sync::Mutex<Store>>;

impl Process {
    pub(crate) fn start(options: RabbitOptions, store: &SharedStore) -> Self {
        let queue = RabbitQueue::open(options);
        let partitions: Vec<u16> = (0..queue.partitions()).collect();
        let consumer = queue.consume(&partitions, &[]).expect("a consumer");
        let work = tokio::spawn(work(consumer, Arc::clone(store)));
        Self { queue, work }
    }

    pub(crate) fn owned(&self) -> usize {
        self.queue.reports().iter().filter(|report| report.is_ours).count()
    }

    /// As if the process had ended: without any farewell but that of its sockets.
    pub(crate) fn close(self) {
        self.queue.close();
        self.work.abort();
    }
}

async fn work(mut consumer: Box<dyn Consumer>, store: SharedStore) {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let us = LAST.fetch_add(1, Relaxed);
    while let Ok(next) = consumer.next(500).await {
        match next {
            Next::Gained(partition) => {
                let decided = {
                    let mut store = store.lock().expect("nobody panicked");
                    store.owners.insert(partition, us);
                    store.checkpoints.get(&partition).cloned()
                };
                consumer.begin(partition, decided.as_ref());
            }
            Next::Lost(_) => {}
            Next::Delivery(delivery) => {
                {
                    let mut store = store.lock().expect("nobody panicked");
                    let owners = store.owners.clone();
                    store.take_of(&delivery, |partition| owners.get(&partition) == Some(&us));
                }
                tokio::task::yield_now().await;
                consumer.stored(delivery.delivered);
            }
        }
    }
}

/// Publishes a reading of each device again and again, each until it is known to be taken: what is unsure is repeated under the
/// same id, as a device does it.
pub(crate) struct Publishing {
    stop: Arc<AtomicBool>,
    work: tokio::task::JoinHandle<u64>,
}

impl Publishing {
    pub(crate) fn start(queue: &Arc<RabbitQueue>, devices: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (queue, until_stopped) = (Arc::clone(queue), Arc::clone(&stop));
        let work = tokio::spawn(async move {
            let mut number = 0;
            while !until_stopped.load(Relaxed) {
                number += 1;
                publish(&queue, entries(4, (0..devices).map(|device| (device, number)))).await;
            }
            number
        });
        Self { stop, work }
    }

    /// How many readings of each device were published.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.work.await.expect("the publisher did not panic")
    }
}
