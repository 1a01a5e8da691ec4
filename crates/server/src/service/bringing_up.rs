//! From the store's answer to devices that decide: what has to happen before the service is whole.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use fieldwatch_broker::{DeadLetters, ReadingQueue};
use fieldwatch_device_state::{CommandOutcome, Commands, DeviceStates, StateOptions, WallClock};
use fieldwatch_directory::{Directory, DirectoryOptions};
use fieldwatch_domain::{Rules, Timestamp};
use fieldwatch_event_store::{Checkpoint, EventStore, ReadError, RecoverError};
use fieldwatch_gateway::Parts;
use fieldwatch_push::{Hub, HubOptions};
use fieldwatch_wire::told::{Told, read_told, write_told};
use tokio::time::sleep;
use tracing::warn;

use super::chores::{Chores, Untidy};
use super::forgetting::Forgetting;
use super::queue::Queue;
use super::unrestored::Unrestored;
use super::{Plan, recovery, store};

/// With one core there is still something to do while a shard waits for the disk.
const LEAST_SHARDS: usize = 2;
/// After a database has failed in the middle of the start.
const START_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Waits for the store, restores what this process needs of it, and lets devices run and streams begin.
///
/// Dropping the future leaves threads behind that still read: it is for a process that ends then.
///
/// # Errors
/// When the service can never be whole.
pub(super) async fn bring_up(plan: &Plan, parts: &Arc<Parts>, queue: &Queue) -> anyhow::Result<Option<Chores>> {
    if !parts.roles.use_store() {
        parts.late.waits_for(None);
        return Ok(None);
    }
    let mut store = store::open(plan, &parts.numbers, &parts.late).await?;
    if parts.roles.state {
        queue.goes_to(store.log_id());
    }
    if !plan.settings.devices.restore {
        store = Arc::new(Unrestored::over(store));
    }
    let any_queue = queue.shared();
    let Restored { directory, states, decided } = restored(plan, parts, &*store, &*any_queue).await?;
    parts.late.store_is(Arc::clone(&store));
    queue.store_is(&store, &parts.numbers);

    let forgetting = match queue.own_letters() {
        Some(letters) => Some(again_and_again(parts, &*store, || forgetting(&store, letters, parts)).await?),
        None => None,
    };
    let mut reading = None;
    if let Some(directory) = directory {
        let options = hub_options(plan, Arc::clone(&parts.clock));
        let hub = Hub::new(options, Arc::clone(&store), Arc::clone(&directory), Arc::clone(&parts.numbers));
        // First the directory, then the streams: a stream's snapshot must never be older than what it was told.
        let (told_first, told_next) = (Arc::clone(&directory), Arc::clone(&hub));
        store.subscribe(Box::new(move |stored| {
            told_first.apply(stored);
            told_next.announce(stored);
        }));
        parts.late.read_side_is(Arc::clone(&directory), Arc::clone(&hub));
        reading = Some((directory, hub));
    }
    if any_queue.is_shared() {
        let (queue, commands) = (Arc::clone(&any_queue), parts.commands.clone());
        share_outcomes(&queue, &commands);
    }
    if let Some(states) = states {
        let running = states.start(Arc::clone(&store), &any_queue, &queue.parking, &decided).context("cannot start the devices")?;
        parts.late.states_are(Arc::new(running));
    }
    parts.late.waits_for(None);
    let clock = Arc::clone(&parts.clock);
    let untidy = parts.roles.state.then(|| Untidy { store, queue: queue.clone(), clock });
    Ok(Some(Chores::start(&plan.limits, untidy, forgetting, reading)))
}

/// Memory, filled from the store.
struct Restored {
    directory: Option<Arc<Directory>>,
    states: Option<DeviceStates>,
    decided: Vec<Checkpoint>,
}

/// Restores what this process needs.
///
/// # Errors
/// When what is stored cannot be read however often it is tried.
async fn restored(plan: &Plan, parts: &Parts, store: &dyn EventStore, queue: &dyn ReadingQueue) -> anyhow::Result<Restored> {
    again_and_again(parts, store, || async {
        parts.late.waits_for(Some("restoring devices".to_owned()));
        // New memory each time: what failed in the middle has filled a part of it.
        let directory = parts.roles.api.then(|| directory(plan, parts));
        let states = parts.roles.state.then(|| {
            let options = state_options(plan, Arc::clone(&parts.clock));
            DeviceStates::reporting_to(parts.commands.clone(), parts.readings.clone(), options, Arc::clone(&parts.numbers))
        });
        // Devices of a store that others write too are restored when their partition is gained.
        let states_now = states.as_ref().filter(|_| store.shared().is_none() || !queue.is_shared());
        if let (Some(shared), Some(_)) = (store.shared(), states_now) {
            shared.take_over_all(queue.partitions()).await?;
        }
        let mut decided = Vec::new();
        if directory.is_some() || states_now.is_some() {
            let memory = recovery::Memory { directory: directory.as_deref(), states: states_now, numbers: &parts.numbers };
            let (restore, interval) = (plan.settings.devices.restore, plan.limits.restore_progress_interval);
            decided = recovery::recover(store, &memory, restore, interval).await?;
        }
        Ok(Restored { directory, states, decided })
    })
    .await
}

/// Does what needs the store. A database may fail meanwhile: then it is done anew until it succeeds.
async fn again_and_again<T, F>(parts: &Parts, store: &dyn EventStore, work: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let mut told = String::new();
    loop {
        let error = match work().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let may_pass = matches!(error.downcast_ref(), Some(RecoverError::Failed(_)))
            || matches!(error.downcast_ref(), Some(ReadError::Failed(_)));
        if !(may_pass && store.shared().is_some()) {
            return Err(error);
        }
        let what = format!("{error:#}");
        if what != told {
            warn!(error = %what, "the start waits for the database");
            told.clone_from(&what);
        }
        parts.late.waits_for(Some(what));
        sleep(START_AGAIN_AFTER).await;
    }
}

/// The dead letters hear which devices are forgotten. They may at any time before the append is answered.
async fn forgetting(store: &Arc<dyn EventStore>, letters: &DeadLetters, parts: &Parts) -> anyhow::Result<Arc<Forgetting>> {
    let forgetting = Arc::new(Forgetting::after_recovery(&**store, letters.clone(), Arc::clone(&parts.numbers)).await?);
    let told = Arc::clone(&forgetting);
    store.subscribe(Box::new(move |stored| told.told(stored)));
    Ok(forgetting)
}

/// What became of a command is told to whichever process waits for it.
fn share_outcomes(queue: &Arc<dyn ReadingQueue>, commands: &Commands) {
    let telling = Arc::clone(queue);
    commands.tell_others(Box::new(move |command, outcome| {
        let told = match outcome {
            CommandOutcome::Done { version } => Told::Done(version),
            CommandOutcome::UnknownDevice => Told::UnknownDevice,
            CommandOutcome::Parked => Told::Parked,
        };
        telling.tell(write_told(command, told));
    }));
    let hearing = commands.clone();
    queue.hear(Box::new(move |message| {
        let Some((command, told)) = read_told(message) else { return };
        hearing.heard(
            command,
            match told {
                Told::Done(version) => CommandOutcome::Done { version },
                Told::UnknownDevice => CommandOutcome::UnknownDevice,
                Told::Parked => CommandOutcome::Parked,
            },
        );
    }));
}

/// The wall clock's time.
pub(super) fn now() -> Timestamp {
    // A clock before 1970 is one that was never set.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus(since)
}

fn directory(plan: &Plan, parts: &Parts) -> Arc<Directory> {
    let options = DirectoryOptions { idle_after: plan.settings.devices.idle_after, clock: Arc::clone(&parts.clock) };
    Arc::new(Directory::new(options, Arc::clone(&parts.numbers)))
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
