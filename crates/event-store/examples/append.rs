//! What a durable append costs beside plain writes: `cargo run --release --example append -- [--json] [--no-sync] [FOLDER]`.
//!
//! For batches of 64 and 1 024 events of a million devices, rounds of appends and rounds of plain write and `fdatasync` of
//! the same bytes take turns in the same folder, because a disk changes its speed by the second. One owner has one batch in
//! flight; two owners, as the two shards of a machine with two cores, have two, and those that wait go into one sync.
//! The ratio is plain time over append time, by sums over all rounds: 1 means that the store costs nothing, the
//! goal is 0.7. `--no-sync` syncs neither, to see the processor's share.

mod load;

use fieldwatch_domain::{DeviceNumber, DeviceNumbers};
use fieldwatch_event_store::{AppendError, Batch, EmbeddedOptions, EmbeddedStore, EventStore};
use fieldwatch_segment_log::SyncMode;
use load::batch;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

const DEVICES: usize = 1_000_000;
const ROUNDS: usize = 10;
/// Owners, events of a batch, and batches of a round of each owner.
const RUNS: [(usize, usize, usize); 4] = [(1, 64, 200), (1, 1024, 60), (2, 64, 100), (2, 1024, 30)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, folders): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let parent = folders.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = parent.join(format!("event-store-append-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let sync = if has("--no-sync") { SyncMode::Never } else { SyncMode::Durable };
    let measured = runtime.block_on(measure(&dir, sync));
    fs::remove_dir_all(&dir)?;
    for Measured { owners, batch, events, bytes, append, plain } in measured? {
        let (rate, plain_rate) = (events as f64 / append.as_secs_f64(), events as f64 / plain.as_secs_f64());
        let (ratio, each) = (plain.as_secs_f64() / append.as_secs_f64(), bytes / events as u64);
        if has("--json") {
            println!(
                "{{\"benchmark\":\"event_store_append\",\"owners\":{owners},\"batch\":{batch},\"bytes_per_event\":{each},\
                 \"events_per_second\":{rate:.0},\"plain_events_per_second\":{plain_rate:.0},\"ratio\":{ratio:.3}}}"
            );
        } else {
            println!(
                "{owners} owners, batches of {batch:>4}, {each} B an event: {rate:>9.0} events/s, plain {plain_rate:>9.0}, ratio {ratio:.3}"
            );
        }
    }
    Ok(())
}

/// All rounds of one run together.
struct Measured {
    owners: usize,
    batch: usize,
    events: usize,
    bytes: u64,
    append: Duration,
    plain: Duration,
}

async fn measure(dir: &Path, sync: SyncMode) -> Result<Vec<Measured>, Box<dyn std::error::Error>> {
    let numbers = Arc::new(DeviceNumbers::default());
    let devices: Vec<DeviceNumber> = (0..DEVICES).map(|at| numbers.number(&format!("device-{at:07}"))).collect();
    let options = EmbeddedOptions {
        dir: dir.join("store"),
        sync,
        retention: None,
        least_free_bytes: 64 << 20,
        snapshot_every_bytes: 256 << 20,
    };
    let store = EmbeddedStore::open(options, numbers)?;
    let mut plain_file = File::create(dir.join("plain"))?;
    let (mut versions, mut random) = (vec![0_u64; DEVICES], 7_u64);
    let mut measured = Vec::new();
    for (owners, batch_of, batches) in RUNS {
        let (mut append, mut plain, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
        for _ in 0..ROUNDS {
            let share = DEVICES / owners;
            let round: Vec<Vec<Batch>> = (0..owners)
                .map(|owner| {
                    let own = owner * share..(owner + 1) * share;
                    (0..batches).map(|_| batch(&devices[own.clone()], &mut versions[own.clone()], &mut random, batch_of)).collect()
                })
                .collect();
            let before = log_bytes(dir)?;
            let begun = Instant::now();
            let mut owners_at_work = tokio::task::JoinSet::new();
            for batches in round {
                let store = Arc::clone(&store);
                owners_at_work.spawn(async move {
                    for batch in batches {
                        store.append(batch).await?;
                    }
                    Ok::<(), AppendError>(())
                });
            }
            while let Some(done) = owners_at_work.join_next().await {
                done??;
            }
            append += begun.elapsed();
            let written = log_bytes(dir)? - before;
            bytes += written;
            let payload = vec![7; written as usize / (owners * batches)];
            let begun = Instant::now();
            for _ in 0..owners * batches {
                plain_file.write_all(&payload)?;
                if sync == SyncMode::Durable {
                    plain_file.sync_data()?;
                }
            }
            plain += begun.elapsed();
        }
        let events = ROUNDS * owners * batches * batch_of;
        measured.push(Measured { owners, batch: batch_of, events, bytes, append, plain });
    }
    Ok(measured)
}

fn log_bytes(dir: &Path) -> std::io::Result<u64> {
    fs::read_dir(dir.join("store/events"))?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}
