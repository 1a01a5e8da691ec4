//! The parts of the service, opened and wired.

use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use anyhow::Context as _;
use fieldwatch_broker::{DeadLetters, EmbeddedQueue, EmbeddedQueueOptions, ReadingQueue};
use fieldwatch_device_state::{DeviceStates, Running, StateOptions, WallClock};
use fieldwatch_directory::{Directory, DirectoryOptions};
use fieldwatch_domain::{DeviceNumbers, Rules, Timestamp};
use fieldwatch_event_store::{EmbeddedOptions, EmbeddedStore, EventStore};
use fieldwatch_gateway::Parts;
use fieldwatch_push::{Hub, HubOptions};
use fieldwatch_wire::ingest;
use tokio::task::spawn_blocking;

use super::forgetting::Forgetting;
use super::unrestored::Unrestored;
use super::{Plan, VERSION, recovery};
use crate::settings::{OriginalEndpoints, Role};

/// With one core there is still something to do while a shard waits for the disk.
const LEAST_SHARDS: usize = 2;

/// What lies in the data folder, open.
pub(super) struct Opened {
    numbers: Arc<DeviceNumbers>,
    store: Arc<dyn EventStore>,
    queue: Arc<EmbeddedQueue>,
    dead_letters: Arc<DeadLetters>,
}

/// The parts that somebody has to look after while they run.
pub(super) struct Started {
    pub(super) parts: Arc<Parts>,
    pub(super) store: Arc<dyn EventStore>,
    pub(super) queue: Arc<EmbeddedQueue>,
    pub(super) directory: Arc<Directory>,
    pub(super) states: Arc<Running>,
    pub(super) hub: Arc<Hub>,
    pub(super) forgetting: Arc<Forgetting>,
}

/// Opens store, queue and dead letters. The caller holds the lock of the data folder.
pub(super) async fn open(plan: &Plan) -> anyhow::Result<Opened> {
    let (folder, limits, sync) = (plan.folder(), plan.limits, plan.switches.sync());
    let retention = plan.settings.store.retention;
    let max_bytes = plan.settings.queue.max_bytes.bytes();
    // Each of them looks for a torn tail, which reads files.
    let opening = spawn_blocking(move || {
        let numbers = Arc::new(DeviceNumbers::default());
        let dir = folder.store();
        let store = EmbeddedStore::open(
            EmbeddedOptions {
                dir: dir.clone(),
                sync,
                retention,
                least_free_bytes: limits.store_least_free_bytes,
                snapshot_every_bytes: limits.snapshot_every_bytes,
            },
            Arc::clone(&numbers),
        )
        .with_context(|| format!("cannot open the event store in {}", dir.display()))?;
        let dir = folder.queue();
        let queue = EmbeddedQueue::open(EmbeddedQueueOptions {
            dir: dir.clone(),
            sync,
            max_bytes,
            least_free_bytes: limits.queue_least_free_bytes,
        })
        .with_context(|| format!("cannot open the queue in {}", dir.display()))?;
        let dead_letters = DeadLetters::open(&folder.dead_letters(), sync)?;
        Ok(Opened { numbers, store, queue, dead_letters: Arc::new(dead_letters) })
    });
    opening.await.context("opening the data folder failed")?
}

/// Restores the devices, wires everything and lets the devices run.
pub(super) async fn start(plan: &Plan, opened: Opened) -> anyhow::Result<Started> {
    let Opened { numbers, mut store, queue, dead_letters } = opened;
    let devices = &plan.settings.devices;
    if !devices.restore {
        store = Arc::new(Unrestored::over(store));
    }
    let clock = wall_clock();
    let directory = Arc::new(Directory::new(
        DirectoryOptions { idle_after: devices.idle_after, clock: Arc::clone(&clock) },
        Arc::clone(&numbers),
    ));
    let states = DeviceStates::new(state_options(plan, Arc::clone(&clock)), Arc::clone(&numbers));
    let decided =
        recovery::recover(&*store, &directory, &states, &numbers, devices.restore, plan.limits.restore_progress_interval).await?;

    let forgetting = Forgetting::after_recovery(&*store, Arc::clone(&dead_letters), Arc::clone(&numbers)).await?;
    let forgetting = Arc::new(forgetting);

    let hub = Hub::new(hub_options(plan, Arc::clone(&clock)), Arc::clone(&store), Arc::clone(&directory), Arc::clone(&numbers));
    // First the directory, then the streams: a stream's snapshot must never be older than what it was told. The dead letters may
    // come at any time before the append is answered.
    let (told_first, told_next, forgets) = (Arc::clone(&directory), Arc::clone(&hub), Arc::clone(&forgetting));
    store.subscribe(Box::new(move |stored| {
        forgets.told(stored);
        told_first.apply(stored);
        told_next.announce(stored);
    }));

    let any_queue: Arc<dyn ReadingQueue> = Arc::clone(&queue) as _;
    let states =
        states.start(Arc::clone(&store), &any_queue, Arc::clone(&dead_letters), &decided).context("cannot start the devices")?;
    let states = Arc::new(states);
    let parts = Arc::new(Parts {
        version: VERSION,
        roles: plan.settings.server.roles.iter().copied().map(Role::word).collect(),
        numbers,
        queue: any_queue,
        dead_letters,
        store: Arc::clone(&store),
        directory: Arc::clone(&directory),
        hub: Arc::clone(&hub),
        states: Arc::clone(&states),
        limits: ingest_limits(plan),
        original_endpoints: original_endpoints(plan),
        mailbox_interval: plan.settings.metrics.mailbox_interval,
        max_mailbox_series: plan.settings.metrics.max_mailbox_series as usize,
        clock,
    });
    Ok(Started { parts, store, queue, directory, states, hub, forgetting })
}

fn wall_clock() -> WallClock {
    Arc::new(|| {
        // A clock before 1970 is one that was never set.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.plus(since)
    })
}

fn state_options(plan: &Plan, clock: WallClock) -> StateOptions {
    let devices = &plan.settings.devices;
    StateOptions {
        rules: Rules { similar_within: devices.temperature_threshold_celsius, moved_at_least_km: devices.distance_threshold_km },
        idle_after: devices.idle_after,
        silent_after: devices.silent_after,
        recognise_repeats: plan.switches.recognises_repeats(),
        shards: thread::available_parallelism().map_or(LEAST_SHARDS, |cores| cores.get().max(LEAST_SHARDS)),
        clock,
        panics_on: plan.switches.panics_on(),
    }
}

fn hub_options(plan: &Plan, clock: WallClock) -> HubOptions {
    let limits = &plan.limits;
    HubOptions {
        keep_alive: limits.stream_keep_alive,
        frame_interval: limits.frame_interval,
        kept_events: limits.stream_kept_events,
        chunks: limits.stream_chunks,
        max_streams: limits.streams,
        clock,
    }
}

fn ingest_limits(plan: &Plan) -> ingest::Limits {
    ingest::Limits {
        temperature_min: plan.settings.devices.temperature_min_celsius,
        temperature_max: plan.settings.devices.temperature_max_celsius,
        ..ingest::Limits::default()
    }
}

fn original_endpoints(plan: &Plan) -> fieldwatch_gateway::OriginalEndpoints {
    match plan.settings.server.original_endpoints {
        OriginalEndpoints::Open => fieldwatch_gateway::OriginalEndpoints::Open,
        // Tokens are refused as not built before anything starts; nobody may get in by a mistake about that.
        OriginalEndpoints::Token | OriginalEndpoints::Off => fieldwatch_gateway::OriginalEndpoints::Off,
    }
}
