//! A broker, queues as processes have them, and what is published and consumed through them.

use fieldwatch_broker::{
    Checkpoint, Consumer, Delivery, Entries, Next, PublishError, RabbitAddress, RabbitOptions, RabbitQueue, ReadingQueue,
};
use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Timestamp};
use fieldwatch_real_servers::rabbitmq::RabbitMq;
use fieldwatch_wire::queued::{Request, read_entry};
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Nothing that has to happen takes longer, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

static BROKER: OnceLock<Option<RabbitMq>> = OnceLock::new();
static IN_USE: RwLock<()> = RwLock::const_new(());

fn broker(test: &str) -> Option<&'static RabbitMq> {
    let broker = BROKER.get_or_init(|| {
        if std::env::var("FIELDWATCH_TEST_LOG").is_ok() {
            let _ = tracing_subscriber::fmt().with_env_filter("info,lapin=off").with_writer(std::io::stderr).try_init();
        }
        RabbitMq::start().inspect_err(|missing| eprintln!("SKIPPED all tests with RabbitMQ: {}", missing.0)).ok()
    });
    if broker.is_none() {
        eprintln!("SKIPPED {test}: there is no RabbitMQ");
    }
    broker.as_ref()
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
        eprintln!("SKIPPED {test}: the configured RabbitMQ is left alone");
        return None;
    }
    Some((broker, guard))
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
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
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
    pub(crate) unreadable: u64,
    pub(crate) lines: u64,
}

impl Store {
    pub(crate) fn take(&mut self, delivery: &Delivery) {
        for entry in &delivery.entries {
            self.lines += 1;
            match read_entry(delivery.form, &delivery.bytes[entry.body.clone()]) {
                Ok((device, Request::Record(reading))) => {
                    self.readings.entry(device.into_owned()).or_default().push(reading.id.number().unwrap_or(0));
                }
                Ok(_) => {}
                Err(_) => self.unreadable += 1,
            }
        }
        for checkpoint in &delivery.checkpoints {
            self.checkpoints.insert(checkpoint.partition, checkpoint.clone());
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.readings.values().map(Vec::len).sum()
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
    while let Ok(next) = consumer.next(500).await {
        match next {
            Next::Gained(partition) => {
                let decided = store.lock().expect("nobody panicked").checkpoints.get(&partition).cloned();
                consumer.begin(partition, decided.as_ref());
            }
            Next::Lost(_) => {}
            Next::Delivery(delivery) => {
                store.lock().expect("nobody panicked").take(&delivery);
                tokio::task::yield_now().await;
                consumer.stored(delivery.delivered);
            }
        }
    }
}
