//! How long a start takes: `cargo run --release --example recover -- [DEVICES] [EVENTS] [TAIL] [FOLDER]`.
//!
//! Stores EVENTS (20 000 000) of DEVICES (1 000 000), saves all shelves so that TAIL (2 000 000) events come after, opens the
//! store anew, and prints how long it took until every device was there. The goal is 5 s on two cores.

use fieldwatch_domain::{
    Celsius, DeviceEvent, DeviceNumber, DeviceNumbers, Location, ReadingId, RecordedEvent, SHELVES, TemperatureChange, Timestamp,
};
use fieldwatch_event_store::{
    Batch, Checkpoint, DeviceState, EmbeddedOptions, EmbeddedStore, Entry, EventStore, Recovered, ShelfSnapshot,
};
use fieldwatch_segment_log::SyncMode;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

const BATCH: usize = 8192;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (devices, events, tail) = (number(0, 1_000_000)?, number(1, 20_000_000)?, number(2, 2_000_000)?);
    let parent = arguments.get(3).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = parent.join(format!("event-store-recover-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let begun = Instant::now();
    runtime.block_on(fill(&dir, devices, events, tail))?;
    println!("filled in {:.1} s", begun.elapsed().as_secs_f64());
    let outcome = runtime.block_on(recover(&dir));
    fs::remove_dir_all(&dir)?;
    outcome
}

fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        dir: dir.to_path_buf(),
        // Filling is not what is measured; reading is the same.
        sync: SyncMode::Never,
        retention: None,
        least_free_bytes: 64 << 20,
        snapshot_every_bytes: 256 << 20,
    }
}

async fn fill(dir: &Path, devices: usize, events: usize, tail: usize) -> Result<(), Box<dyn std::error::Error>> {
    let numbers = Arc::new(DeviceNumbers::default());
    let devices: Vec<DeviceNumber> = (0..devices).map(|at| numbers.number(&format!("device-{at:07}"))).collect();
    let store = EmbeddedStore::open(options(dir), numbers)?;
    let mut states: Vec<DeviceState> = vec![DeviceState::default(); devices.len()];
    let mut random = 7_u64;
    let mut left = events;
    while left > 0 {
        let count = left.min(BATCH);
        let before = left;
        left -= count;
        let entries: Vec<Entry> = (0..count).map(|_| event(&devices, &mut states, &mut random)).collect();
        let checkpoints = vec![Checkpoint { partition: (random >> 58) as u16, progress: random.to_le_bytes().into() }];
        store.append(Batch { entries, checkpoints }).await?;
        if before > tail && left <= tail {
            save(&store, &devices, &states).await?;
        }
    }
    Ok(())
}

async fn save(store: &EmbeddedStore, devices: &[DeviceNumber], states: &[DeviceState]) -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let mut shelves: Vec<ShelfSnapshot> = (0..SHELVES).map(|shelf| ShelfSnapshot { shelf, devices: Vec::new() }).collect();
    for (device, state) in devices.iter().zip(states) {
        shelves[device.shelf()].devices.push((*device, state.clone()));
    }
    let copied = begun.elapsed();
    let begun = Instant::now();
    for shelf in shelves {
        store.save_snapshot(shelf).await?;
    }
    println!("saved all shelves in {:.2} s after copying for {:.2} s", begun.elapsed().as_secs_f64(), copied.as_secs_f64());
    Ok(())
}

fn event(devices: &[DeviceNumber], states: &mut [DeviceState], random: &mut u64) -> Entry {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let at = (*random >> 33) as usize % devices.len();
    let state = &mut states[at];
    let now = Timestamp::from_unix_ms(1_767_225_600_000 + (*random >> 40) as i64);
    let (temperature, location) = (Celsius::from_stored((*random >> 45) as i32), Location::from_stored(385_698_000, 456_974_000));
    let event = if state.device.version() == 0 {
        DeviceEvent::Created { temperature, location }
    } else {
        let (previous, notified) = (state.device.temperature(), state.device.notified_temperature());
        DeviceEvent::TemperatureIncreased(TemperatureChange { temperature, previous, notified, location })
    };
    let entry = Entry::Event(RecordedEvent {
        device: devices[at],
        version: state.device.version() + 1,
        position: 0,
        at: now,
        recorded_at: now,
        received_at: now,
        reading_id: Some(ReadingId::given(*random)),
        event,
    });
    state.apply(&entry);
    entry
}

async fn recover(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (begun, busy) = (Instant::now(), processor_seconds()?);
    let numbers = Arc::new(DeviceNumbers::default());
    let store = EmbeddedStore::open(options(dir), numbers)?;
    let opened = begun.elapsed();
    let shelves: Vec<Mutex<Vec<DeviceState>>> = (0..SHELVES).map(|_| Mutex::default()).collect();
    let take = |found: Recovered<'_>| {
        let device = match &found {
            Recovered::Device(device, _) => *device,
            Recovered::Entry(entry) => entry.device(),
        };
        let mut shelf = shelves[device.shelf()].lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() <= device.place() {
            shelf.resize(device.place() + 1, DeviceState::default());
        }
        let state = &mut shelf[device.place()];
        match found {
            Recovered::Device(_, recovered) => *state = recovered,
            Recovered::Entry(entry) => state.apply(entry),
        }
    };
    let recovery = store.recover(&take).await?;
    let (all, busy) = (begun.elapsed(), processor_seconds()? - busy);
    println!(
        "opened in {:.2} s, recovered {} devices from snapshots and {} entries in {:.2} s altogether, {busy:.2} s of processor time",
        opened.as_secs_f64(),
        recovery.devices,
        recovery.entries,
        all.as_secs_f64()
    );
    Ok(())
}

/// What this process has used of the processors, in seconds; tells more than the clock on a machine that is shared.
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after_name.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    // A hundred ticks a second on every Linux.
    Ok(ticks.iter().sum::<f64>() / 100.0)
}
