//! What the read side costs: the directory's fold, and the hub without and with streams.
//!
//! `cargo run --release -p fieldwatch-push --example fanout [DEVICES] [STREAMS]`. Tells 10 000 events a second for a few
//! seconds and prints how much of a core that took.

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/streams/fake_store.rs"]
mod fake_store;

use fake_store::FakeStore;
use fieldwatch_directory::{Directory, DirectoryOptions, ListQuery, Sort, SortKey};
use fieldwatch_domain::{
    Celsius, DeviceEvent, DeviceNumber, DeviceNumbers, Location, ReadingId, RecordedEvent, TemperatureChange, Timestamp,
};
use fieldwatch_event_store::{Entry, Stored};
use fieldwatch_push::{Form, Hub, HubOptions, StreamRequest};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const BATCH: usize = 100;
const BATCHES_PER_SECOND: u32 = 100;
const SECONDS: u32 = 3;

struct Fleet {
    numbers: Arc<DeviceNumbers>,
    devices: Vec<DeviceNumber>,
    position: u64,
    random: u64,
}

impl Fleet {
    fn batch(&mut self, size: usize, event: &impl Fn(i32) -> DeviceEvent) -> Arc<Stored> {
        let entries = (0..size)
            .map(|_| {
                self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                self.position += 100;
                let device = self.devices[(self.random >> 33) as usize % self.devices.len()];
                entry(device, self.position, event((self.random >> 40) as i32 % 500_000))
            })
            .collect();
        Arc::new(Stored { entries, newest: self.position })
    }
}

fn entry(device: DeviceNumber, position: u64, event: DeviceEvent) -> Entry {
    let now = now();
    let reading_id = Some(ReadingId::given(position));
    Entry::Event(RecordedEvent { device, version: 1, position, at: now, recorded_at: now, received_at: now, reading_id, event })
}

fn now() -> Timestamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(passed.as_millis() as i64)
}

fn created(temperature: i32) -> DeviceEvent {
    DeviceEvent::Created {
        temperature: Celsius::from_stored(temperature),
        location: Location::from_stored(temperature, -temperature),
    }
}

fn increased(temperature: i32) -> DeviceEvent {
    let temperature = Celsius::from_stored(temperature);
    let location = Location::from_stored(385_698_000, 456_974_000);
    DeviceEvent::TemperatureIncreased(TemperatureChange { temperature, previous: temperature, notified: temperature, location })
}

/// Processor time of this process so far; 0 where there is no `/proc`.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1).map_while(|argument| argument.parse::<usize>().ok());
    let (devices, streams) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(100));
    let numbers = Arc::new(DeviceNumbers::default());
    let options = DirectoryOptions { idle_after: Some(Duration::from_mins(30)), clock: Arc::new(now) };
    let directory = Arc::new(Directory::new(options, Arc::clone(&numbers)));
    let ids = (0..devices).map(|n| numbers.number(&format!("device-{n:07}"))).collect();
    let mut fleet = Fleet { numbers, devices: ids, position: 0, random: 1 };

    fold(&mut fleet, &directory);
    for (key, name) in [(SortKey::DeviceId, "id"), (SortKey::Temperature, "temperature")] {
        let begun = Instant::now();
        let query = ListQuery { sort: Sort { key, descending: true }, limit: 100, ..ListQuery::default() };
        let page = directory.list(&query);
        println!("list by {name}: {:?} for {} of {devices}", begun.elapsed(), page.devices.len());
    }
    let begun = Instant::now();
    let _ = directory.mark_idle();
    println!("look for idle devices: {:?}", begun.elapsed());

    for (form, open) in [(Form::Events, 0), (Form::Events, streams), (Form::Original, streams), (Form::Frames, streams)] {
        fan_out(&mut fleet, &directory, form, open).await;
    }
}

fn fold(fleet: &mut Fleet, directory: &Directory) {
    for device in fleet.devices.clone() {
        fleet.position += 100;
        directory.apply(&Stored { entries: vec![entry(device, fleet.position, created(1))], newest: fleet.position });
    }
    let batches: Vec<_> = (0..500).map(|_| fleet.batch(1_000, &increased)).collect();
    // Processor time, because it is what others cannot disturb; it is counted in steps of 10 ms, hence the rounds.
    let before = cpu();
    for batch in batches.iter().cycle().take(5_000) {
        directory.apply(batch);
    }
    println!("apply: {:?} an entry, at random among {}", cpu().saturating_sub(before) / 5_000_000, fleet.devices.len());
}

async fn fan_out(fleet: &mut Fleet, directory: &Arc<Directory>, form: Form, streams: usize) {
    let options = HubOptions {
        keep_alive: Duration::from_secs(15),
        frame_interval: Duration::from_millis(100),
        kept_events: 65_536,
        chunks: 16,
        max_streams: streams + 1,
        clock: Arc::new(now),
    };
    let store = Arc::new(FakeStore::default());
    let hub = Hub::new(options, store, Arc::clone(directory), Arc::clone(&fleet.numbers));
    tokio::spawn(Arc::clone(&hub).run());
    let clients: Vec<_> = (0..streams).filter_map(|_| hub.open(StreamRequest { form, ..StreamRequest::default() })).collect();
    let mut readers = Vec::new();
    for mut client in clients {
        readers.push(tokio::spawn(async move {
            let mut bytes = 0;
            while let Some(chunk) = client.recv().await {
                bytes += chunk.len();
            }
            bytes
        }));
    }
    // Snapshots first.
    tokio::time::sleep(Duration::from_secs(if form == Form::Frames { 10 } else { 1 })).await;
    let mut announced = Duration::ZERO;
    let (begun, cpu_before) = (Instant::now(), cpu());
    for at in 1..=BATCHES_PER_SECOND * SECONDS {
        let batch = fleet.batch(BATCH, &increased);
        directory.apply(&batch);
        let told = Instant::now();
        hub.announce(&batch);
        announced += told.elapsed();
        tokio::time::sleep_until((begun + Duration::from_secs(1) / BATCHES_PER_SECOND * at).into()).await;
    }
    let used = cpu().saturating_sub(cpu_before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let dropped = hub.metrics().dropped.get();
    hub.close();
    let mut bytes = 0;
    for reader in readers {
        bytes += reader.await.unwrap_or_default();
    }
    let per_batch = announced / (BATCHES_PER_SECOND * SECONDS);
    println!(
        "{form:?}, {streams} streams: {:.0} % of a core, {per_batch:?} a batch of {BATCH} to announce, {} MB sent, {dropped} cut",
        used * 100.0,
        bytes / 1_000_000
    );
}
