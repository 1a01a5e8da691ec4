//! How many readings the embedded queue takes: `cargo run --release --example publish -- [--json] [--no-sync] [FOLDER]`.
//!
//! Publishers in a closed loop, each waiting for its answer before it sends again: 256 with one reading each, then 16 with
//! batches of 1 000. A consumer takes what they send, as a shard does. Beside it, what the disk does at best: plain writes with
//! `fdatasync`.

use fieldwatch_broker::{EmbeddedQueue, EmbeddedQueueOptions, Entries, Next, ReadingQueue};
use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Timestamp};
use fieldwatch_segment_log::SyncMode;
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{
    error::Error,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const RUN: Duration = Duration::from_secs(4);
const ROUNDS: [Round; 3] =
    [Round { publishers: 1, readings: 1 }, Round { publishers: 256, readings: 1 }, Round { publishers: 16, readings: 1_000 }];

/// So many publishers send so many readings at once.
#[derive(Clone, Copy)]
struct Round {
    publishers: usize,
    readings: usize,
}

/// What came of a round.
struct Measured {
    round: Round,
    per_second: f64,
    consumed_per_second: f64,
    p50: Duration,
    p99: Duration,
    commits: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (flags, folders): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let parent = folders.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = parent.join(format!("queue-publish-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let sync = if flags.iter().any(|flag| flag == "--no-sync") { SyncMode::Never } else { SyncMode::Durable };
    let measured = measure(&dir, sync);
    fs::remove_dir_all(&dir)?;
    let (syncs, rows) = measured?;
    if flags.iter().any(|flag| flag == "--json") {
        let rows: Vec<String> = rows.iter().map(Measured::json).collect();
        println!("{{\"benchmark\":\"queue_publish\",\"syncs_per_second\":{syncs:.0},\"rows\":[{}]}}", rows.join(","));
    } else {
        println!("plain writes with fdatasync: {syncs:.0} a second");
        for Measured { round: Round { publishers, readings }, per_second, consumed_per_second, p50, p99, commits } in rows {
            println!(
                "{publishers:>4} publishers of {readings:>5}: {per_second:>9.0} readings/s  p50 {p50:>8.1?}  p99 {p99:>8.1?}  \
                 consumed {consumed_per_second:>9.0}/s  {commits:>6} commits"
            );
        }
    }
    Ok(())
}

impl Measured {
    fn json(&self) -> String {
        format!(
            "{{\"publishers\":{},\"readings\":{},\"readings_per_second\":{:.0},\"consumed_per_second\":{:.0},\"p50_us\":{},\"p99_us\":{},\"commits\":{}}}",
            self.round.publishers,
            self.round.readings,
            self.per_second,
            self.consumed_per_second,
            self.p50.as_micros(),
            self.p99.as_micros(),
            self.commits
        )
    }
}

fn measure(dir: &Path, sync: SyncMode) -> Result<(f64, Vec<Measured>), Box<dyn Error>> {
    let syncs = plain_syncs_per_second(dir)?;
    let mut rows = Vec::new();
    for round in ROUNDS {
        rows.push(run(&dir.join(format!("{}-{}", round.publishers, round.readings)), round, sync)?);
    }
    Ok((syncs, rows))
}

fn plain_syncs_per_second(dir: &Path) -> Result<f64, Box<dyn Error>> {
    let mut file = File::create(dir.join("plain"))?;
    let begun = Instant::now();
    let mut syncs = 0;
    while begun.elapsed() < Duration::from_secs(1) {
        file.write_all(&[7; 8 << 10])?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / begun.elapsed().as_secs_f64())
}

fn run(dir: &Path, round: Round, sync: SyncMode) -> Result<Measured, Box<dyn Error>> {
    let dir = dir.to_path_buf();
    let queue = EmbeddedQueue::open(EmbeddedQueueOptions { dir, sync, max_bytes: 8 << 30, least_free_bytes: 1 << 30 })?;
    let consumer = consume(&queue)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let begun = Instant::now();
    let publishers: Vec<_> =
        (0..round.publishers).map(|publisher| runtime.spawn(publish(Arc::clone(&queue), publisher, round.readings))).collect();
    let mut latencies = Vec::new();
    for publisher in publishers {
        latencies.extend(runtime.block_on(publisher)??);
    }
    let took = begun.elapsed().as_secs_f64();
    queue.close();
    let consumed = consumer.join().map_err(|_| "the consumer panicked")?;
    let consumed_per_second = consumed as f64 / begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let commits = commits(&queue)?;
    let per_second = (latencies.len() * round.readings) as f64 / took;
    Ok(Measured { round, per_second, consumed_per_second, p50: at(0.5), p99: at(0.99), commits })
}

/// How many commits there were, by the queue's own metric.
fn commits(queue: &EmbeddedQueue) -> Result<u64, Box<dyn Error>> {
    let mut registry = Registry::default();
    registry.register("commit", "", queue.metrics().commit_seconds.clone());
    let mut text = String::new();
    encode(&mut text, &registry)?;
    let count = text.lines().find_map(|line| line.strip_prefix("commit_count "));
    Ok(count.ok_or("the metric has no count")?.parse()?)
}

async fn publish(queue: Arc<EmbeddedQueue>, publisher: usize, readings: usize) -> Result<Vec<Duration>, String> {
    let mut latencies = Vec::new();
    let begun = Instant::now();
    let mut number = publisher as u64 * 1_000_000_000;
    while begun.elapsed() < RUN {
        let mut entries = Entries::new(EmbeddedQueue::PARTITIONS);
        for _ in 0..readings {
            number += 1;
            entries.record(&format!("device-{:06}", number * 7919 % 1_000_000), &reading(number));
        }
        let handed_over = Instant::now();
        queue.publish(entries).await.map_err(|error| error.to_string())?;
        latencies.push(handed_over.elapsed());
    }
    Ok(latencies)
}

/// Takes everything, on a thread of its own, and gives how much it was.
fn consume(queue: &EmbeddedQueue) -> Result<thread::JoinHandle<u64>, Box<dyn Error>> {
    let all: Vec<u16> = (0..EmbeddedQueue::PARTITIONS).collect();
    let mut consumer = queue.consume(&all, &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(thread::spawn(move || {
        runtime.block_on(async {
            let mut consumed = 0;
            while let Ok(Next::Delivery(delivery)) = consumer.next(4096).await {
                consumed += delivery.entries.len() as u64;
                consumer.stored(delivery.delivered);
            }
            consumed
        })
    }))
}

fn reading(number: u64) -> Reading {
    Reading {
        temperature: Celsius::from_stored(485_000 + (number % 1000) as i32),
        location: Location::from_stored(385_698_000, 456_974_000 + (number % 10_000) as i32),
        at: Some(Timestamp::from_unix_ms(1_767_225_600_000 + number as i64)),
        received_at: Timestamp::from_unix_ms(1_767_225_600_123),
        id: ReadingId::given(number),
    }
}
