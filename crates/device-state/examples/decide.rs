//! What a shard costs by itself: readings of random devices, a queue in memory, a store that stores nothing.
//!
//! `cargo run --release -p fieldwatch-device-state --example decide [DEVICES] [READINGS]` prints nanoseconds per reading, and
//! the memory that a device takes here, its id and its 16 reading ids included.

use fieldwatch_broker::{
    BoxFuture, Checkpoint, ConsumeError, Consumer, DeadLetterError, Delivered, DeliveredEntry, Delivery, Entries, NewLetter, Next,
    Parking, PublishError, QueueHealth, ReadingQueue,
};
use fieldwatch_device_state::{DeviceStates, StateOptions};
use fieldwatch_domain::{Celsius, DeviceNumber, Location, Reading, ReadingId, Rules, Timestamp};
use fieldwatch_event_store::{
    AppendError, Batch, DeviceState, EventStore, EventsPage, HistoryPage, ReadError, RecoverError, Recovered, Recovery,
    ShelfSnapshot, StoreHealth, Stored,
};
use fieldwatch_wire::queued::{ENTRY_HEADER, read_entry_header};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Entries of one delivery.
const DELIVERY: usize = 8_192;

struct StoresNothing {
    entries: AtomicU64,
    metrics: fieldwatch_event_store::Metrics,
}

impl EventStore for StoresNothing {
    fn kind(&self) -> &'static str {
        "none"
    }
    fn log_id(&self) -> &'static str {
        "none"
    }
    fn newest(&self) -> u64 {
        0
    }
    fn recover<'a>(&'a self, _visit: &'a (dyn Fn(Recovered<'_>) + Sync)) -> BoxFuture<'a, Result<Recovery, RecoverError>> {
        Box::pin(async { Ok(Recovery::default()) })
    }
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Arc<Stored>, AppendError>> {
        self.entries.fetch_add(batch.entries.len() as u64, Ordering::Relaxed);
        Box::pin(async { Ok(Arc::new(Stored { entries: batch.entries, newest: 0 })) })
    }
    fn subscribe(&self, _subscriber: Box<dyn Fn(&Arc<Stored>) + Send + Sync>) {}
    fn load(&self, _device: DeviceNumber) -> BoxFuture<'_, Result<DeviceState, ReadError>> {
        Box::pin(async { Ok(DeviceState::default()) })
    }
    fn history(&self, _device: DeviceNumber, _before: Option<u64>, _limit: usize) -> BoxFuture<'_, Result<HistoryPage, ReadError>> {
        Box::pin(async { Ok(HistoryPage::default()) })
    }
    fn read_all(&self, _after: u64, _limit: usize) -> BoxFuture<'_, Result<EventsPage, ReadError>> {
        Box::pin(async { Ok(EventsPage::default()) })
    }
    fn wants_snapshot(&self, _shelf: usize) -> bool {
        false
    }
    fn save_snapshot(&self, _snapshot: ShelfSnapshot) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async { Ok(()) })
    }
    fn health(&self) -> StoreHealth {
        StoreHealth::default()
    }
    fn tidy(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async { Ok(()) })
    }
    fn metrics(&self) -> &fieldwatch_event_store::Metrics {
        &self.metrics
    }
}

/// Gives what the benchmark hands over, and tells what is done.
struct OneShardQueue {
    deliveries: std::sync::Mutex<Option<tokio::sync::mpsc::Receiver<Vec<u8>>>>,
    done: Arc<AtomicU64>,
    metrics: fieldwatch_broker::Metrics,
}

impl ReadingQueue for OneShardQueue {
    fn kind(&self) -> &'static str {
        "memory"
    }
    fn partitions(&self) -> u16 {
        64
    }
    fn publish(&self, _entries: Entries) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async { Ok(()) })
    }
    fn consume(&self, _partitions: &[u16], _decided: &[Checkpoint]) -> Result<Box<dyn Consumer>, ConsumeError> {
        let deliveries = self.deliveries.lock().ok().and_then(|mut deliveries| deliveries.take()).ok_or(ConsumeError::Closed)?;
        Ok(Box::new(OneShardConsumer { deliveries, done: self.done.clone() }))
    }
    fn depths(&self) -> Vec<u64> {
        Vec::new()
    }
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
    fn health(&self) -> QueueHealth {
        QueueHealth::default()
    }
    fn metrics(&self) -> &fieldwatch_broker::Metrics {
        &self.metrics
    }
}

struct OneShardConsumer {
    deliveries: tokio::sync::mpsc::Receiver<Vec<u8>>,
    done: Arc<AtomicU64>,
}

impl Consumer for OneShardConsumer {
    fn next(&mut self, _limit: usize) -> BoxFuture<'_, Result<Next, ConsumeError>> {
        Box::pin(async {
            let bytes = self.deliveries.recv().await.ok_or(ConsumeError::Closed)?;
            let mut delivery = Delivery { bytes, ..Delivery::default() };
            let mut at = 0;
            while let Some(header) = delivery.bytes[at..].first_chunk::<ENTRY_HEADER>() {
                let (partition, length) = read_entry_header(*header);
                let body = at + ENTRY_HEADER..at + ENTRY_HEADER + length;
                at = body.end;
                delivery.entries.push(DeliveredEntry { body, partition, place: at as u64 });
            }
            delivery.delivered.through = delivery.entries.len() as u64;
            Ok(Next::Delivery(delivery))
        })
    }
    fn stored(&mut self, delivered: Delivered) {
        self.done.fetch_add(delivered.through, Ordering::Relaxed);
    }
}

struct ParksNothing;

impl Parking for ParksNothing {
    fn park<'a>(&'a self, letter: NewLetter<'a>) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        panic!("nothing of this is to be parked: {}", letter.reason);
    }
}

/// Random numbers that are the same each time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(since.as_millis() as i64)
}

/// Nanoseconds for which a thread has been on a processor: unlike the wall clock it does not count what else runs here.
fn cpu_ns(thread: &std::path::Path) -> u64 {
    let stat = std::fs::read_to_string(std::path::Path::new("/proc").join(thread).join("schedstat")).unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4_096
}

struct Bench {
    random: Random,
    next_id: u64,
    deliver: tokio::sync::mpsc::Sender<Vec<u8>>,
    done: Arc<AtomicU64>,
    shard: std::path::PathBuf,
}

impl Bench {
    /// Makes deliveries of readings of these devices, hands them over, and tells how long the shard took, by the clock and
    /// on a processor.
    fn run(&mut self, what: &str, mut devices: impl Iterator<Item = u64>, readings: usize) {
        let mut deliveries = Vec::new();
        let mut left = readings;
        while left > 0 {
            let mut entries = Entries::new(64);
            for device in devices.by_ref().take(DELIVERY.min(left)) {
                self.next_id += 1;
                let reading = Reading {
                    temperature: Celsius::from_stored(200_000 + self.random.below(100_000) as i32),
                    location: Location::from_stored(400_000_000 + self.random.below(1_000_000) as i32, 100_000_000),
                    at: Some(Timestamp::from_unix_ms(1_767_225_600_000 + self.next_id as i64)),
                    received_at: now(),
                    id: ReadingId::given(self.next_id),
                };
                entries.record(&format!("device-{device:07}"), &reading);
            }
            left -= entries.len();
            deliveries.push(entries.bytes().to_vec());
        }
        let target = self.done.load(Ordering::Relaxed) + readings as u64;
        let (start, cpu) = (Instant::now(), cpu_ns(&self.shard));
        for delivery in deliveries {
            self.deliver.blocking_send(delivery).expect("the shard runs");
        }
        while self.done.load(Ordering::Relaxed) < target {
            std::thread::sleep(Duration::from_micros(100));
        }
        let (clock, cpu) = (start.elapsed().as_nanos() as u64, cpu_ns(&self.shard) - cpu);
        let each = readings as u64;
        println!("{readings} {what}: {} ns per reading by the clock, {} ns of processor", clock / each, cpu / each);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().expect("a number"));
    let devices = arguments.next().unwrap_or(100_000);
    let readings = arguments.next().unwrap_or(2_000_000);

    let (deliver, deliveries) = tokio::sync::mpsc::channel(4);
    let done = Arc::new(AtomicU64::new(0));
    let queue = OneShardQueue {
        deliveries: std::sync::Mutex::new(Some(deliveries)),
        done: done.clone(),
        metrics: fieldwatch_broker::Metrics::default(),
    };
    let store = Arc::new(StoresNothing { entries: AtomicU64::new(0), metrics: fieldwatch_event_store::Metrics::default() });
    let options = StateOptions {
        rules: Rules::default(),
        idle_after: Some(Duration::from_mins(30)),
        silent_after: Some(Duration::from_mins(5)),
        recognise_repeats: true,
        shards: 1,
        clock: Arc::new(now),
        panics_on: None,
    };
    let (as_queue, as_store): (Arc<dyn ReadingQueue>, Arc<dyn EventStore>) = (Arc::new(queue), store.clone());
    let parking: Arc<dyn Parking> = Arc::new(ParksNothing);
    let (running, shards) =
        DeviceStates::new(options, Arc::default()).into_shards(&as_store, &as_queue, &parking, &[]).expect("it starts");
    let shard = shards.into_iter().next().expect("one shard");
    let (tell_thread, shard_thread) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
        tell_thread.send(thread).expect("the main thread waits");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(shard.run());
    });

    let mut bench = Bench {
        random: Random(0x9e37_79b9_7f4a_7c15),
        next_id: 0,
        deliver,
        done,
        shard: shard_thread.recv().expect("the shard has started"),
    };
    let before = resident_bytes();
    bench.run("new devices", 0..devices as u64, devices);
    let mut picks = Random(0x2545_f491_4f6c_dd1d);
    let random: Vec<u64> = (0..readings).map(|_| picks.below(devices as u64)).collect();
    for _ in 0..3 {
        bench.run("readings of random devices", random.iter().copied(), readings);
    }
    println!("{:.2} entries per reading", store.entries.load(Ordering::Relaxed) as f64 / (3 * readings + devices) as f64);
    for _ in 0..15 {
        bench.run("readings of all devices in turn", 0..devices as u64, devices);
    }
    drop(random);
    println!("active: {}; about {} bytes per device", running.active(), (resident_bytes() - before) / devices as u64);
}
