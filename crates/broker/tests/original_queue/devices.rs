//! The queue that readings are moved into, and the devices that take them from there.

use fieldwatch_broker::{
    BoxFuture, Checkpoint, ConsumeError, Consumer, EmbeddedQueue, EmbeddedQueueOptions, Entries, Metrics, Next, PublishError,
    QueueHealth, ReadingQueue,
};
use fieldwatch_domain::{Reading, RecentIds};
use fieldwatch_segment_log::SyncMode;
use fieldwatch_wire::queued::{Request, read_entry};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the devices have made of the readings.
#[derive(Default)]
pub(crate) struct Taken {
    /// The readings that took effect, by device, in order.
    pub(crate) readings: HashMap<String, Vec<Reading>>,
    recent: HashMap<String, RecentIds>,
    /// Readings that a device recognised.
    pub(crate) repeated: usize,
}

/// A queue with devices behind it.
pub(crate) struct Devices {
    pub(crate) queue: Arc<Fickle>,
    taken: Arc<Mutex<Taken>>,
    _dir: tempfile::TempDir,
}

/// A queue that refuses what it is given while it is told to, and counts how much of one device it is given at once.
pub(crate) struct Fickle {
    inner: Arc<EmbeddedQueue>,
    pub(crate) refuses: AtomicBool,
    pub(crate) refused: AtomicUsize,
    pub(crate) most_of_one_device: AtomicUsize,
}

impl Devices {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let options =
            EmbeddedQueueOptions { dir: dir.path().into(), sync: SyncMode::Never, max_bytes: 1 << 30, least_free_bytes: 0 };
        let inner = EmbeddedQueue::open(options).expect("a queue");
        let all: Vec<u16> = (0..inner.partitions()).collect();
        let consumer = inner.consume(&all, &[]).expect("a consumer");
        let taken = Arc::new(Mutex::new(Taken::default()));
        tokio::spawn(take(consumer, Arc::clone(&taken)));
        let queue = Fickle {
            inner,
            refuses: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            most_of_one_device: AtomicUsize::new(0),
        };
        Self { queue: Arc::new(queue), taken, _dir: dir }
    }

    /// Looks at what was taken.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Taken) -> T) -> T {
        at(&self.taken.lock().expect("nobody panicked"))
    }

    /// The numbers of a device's readings, in the order in which they took effect.
    pub(crate) fn numbers(&self, device: &str) -> Vec<usize> {
        self.look(|taken| {
            let readings = taken.readings.get(device).map_or(&[][..], Vec::as_slice);
            readings.iter().map(|reading| reading.location.latitude() as usize).collect()
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.look(|taken| taken.readings.values().map(Vec::len).sum())
    }
}

impl Devices {
    /// Devices behind the partitions of a broker, as a state process has them.
    pub(crate) fn behind(queue: &dyn ReadingQueue) -> Arc<Mutex<Taken>> {
        let all: Vec<u16> = (0..queue.partitions()).collect();
        let taken = Arc::new(Mutex::new(Taken::default()));
        tokio::spawn(take(queue.consume(&all, &[]).expect("a consumer"), Arc::clone(&taken)));
        taken
    }
}

async fn take(mut consumer: Box<dyn Consumer>, taken: Arc<Mutex<Taken>>) {
    while let Ok(next) = consumer.next(1_000).await {
        let delivery = match next {
            Next::Delivery(delivery) => delivery,
            Next::Gained(partition) => {
                consumer.begin(partition, None);
                continue;
            }
            Next::Lost(_) => continue,
        };
        {
            let mut taken = taken.lock().expect("nobody panicked");
            for entry in &delivery.entries {
                let (device, request) = read_entry(delivery.form, &delivery.bytes[entry.body.clone()]).expect("an entry");
                let Request::Record(reading) = request else { panic!("only readings are moved") };
                taken.take(&device, reading);
            }
        }
        consumer.stored(delivery.delivered);
    }
}

impl Taken {
    fn take(&mut self, device: &str, reading: Reading) {
        let recent = self.recent.entry(device.to_owned()).or_default();
        if recent.contains(reading.id.fingerprint()) {
            self.repeated += 1;
            return;
        }
        recent.remember(reading.id.fingerprint());
        self.readings.entry(device.to_owned()).or_default().push(reading);
    }
}

impl ReadingQueue for Fickle {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn partitions(&self) -> u16 {
        self.inner.partitions()
    }

    fn publish(&self, entries: Entries) -> BoxFuture<'_, Result<(), PublishError>> {
        if self.refuses.load(SeqCst) {
            self.refused.fetch_add(1, SeqCst);
            return Box::pin(std::future::ready(Err(PublishError::Full("the disk is nearly full".into()))));
        }
        self.most_of_one_device.fetch_max(most_of_one_device(&entries), SeqCst);
        self.inner.publish(entries)
    }

    fn consume(&self, partitions: &[u16], decided: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError> {
        self.inner.consume(partitions, decided)
    }

    fn depths(&self) -> Vec<u64> {
        self.inner.depths()
    }

    fn lag(&self) -> Duration {
        self.inner.lag()
    }

    fn health(&self) -> QueueHealth {
        self.inner.health()
    }

    fn metrics(&self) -> &Metrics {
        self.inner.metrics()
    }
}

fn most_of_one_device(entries: &Entries) -> usize {
    use fieldwatch_wire::queued::{ENTRY_HEADER, read_entry_header, read_request};
    let (mut rest, mut counts) = (entries.bytes(), HashMap::<&str, usize>::new());
    while let Some((header, behind)) = rest.split_first_chunk::<ENTRY_HEADER>() {
        let (_, length) = read_entry_header(*header);
        *counts.entry(read_request(&behind[..length]).expect("an entry").0).or_default() += 1;
        rest = &behind[length..];
    }
    counts.into_values().max().unwrap_or(0)
}
