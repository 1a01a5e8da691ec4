//! The running service: its parts, put together in one process.
//!
//! The order matters both ways. It starts from the outside in, so that whoever asks meanwhile is told what is going on, and takes
//! readings only when everything behind them stands. It stops along the way of a reading: intake, queue, devices, streams.

mod listening;

pub(crate) mod node;

mod parts;

pub(crate) mod queue;

pub(crate) mod store;

pub(crate) mod broker_letters;

mod bringing_up;

mod recovery;

mod unrestored;

mod forgetting;

mod chores;

mod drain;

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fieldwatch_gateway::{Gateway, Parts, Readiness};
use fieldwatch_segment_log::DirectoryLock;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::data_folder::{DataFolder, Holder};
use crate::limits::Limits;
use crate::open_files;
use crate::settings::{QueueKind, Role, Settings, StoreKind};
use crate::signals::Stop;
use crate::switches::Switches;
use bringing_up::bring_up;
use chores::Chores;
use queue::Queue;

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a service is made from.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) switches: Switches,
    pub(crate) limits: Limits,
    /// By which other processes know this one.
    pub(crate) node: String,
}

impl Plan {
    fn folder(&self) -> DataFolder {
        DataFolder::at(&self.settings.data_dir)
    }

    fn has_store_elsewhere(&self) -> bool {
        let roles = &self.settings.server.roles;
        let uses_store = roles.contains(&Role::State) || roles.contains(&Role::Api);
        uses_store && self.settings.store.kind != StoreKind::Embedded
    }

    /// Whether anything of this process lies in the data folder.
    fn uses_folder(&self) -> bool {
        let roles = &self.settings.server.roles;
        let uses_store = roles.contains(&Role::State) || roles.contains(&Role::Api);
        self.settings.queue.kind == QueueKind::Embedded || (uses_store && self.settings.store.kind == StoreKind::Embedded)
    }
}

/// A service that takes readings.
pub(crate) struct Service {
    url: String,
    limits: Limits,
    queue: Queue,
    parts: Arc<Parts>,
    intake: CancellationToken,
    gateway: JoinHandle<()>,
    /// What is to be done beside, once the service is whole.
    bringing_up: JoinHandle<anyhow::Result<()>>,
    /// Given back by the end of the process and not before: a shard past its deadline, or a commit that a stalled disk
    /// holds up, may still be writing after the drain.
    _lock: ManuallyDrop<Option<DirectoryLock>>,
}

impl Service {
    /// Starts everything, and returns when readings are taken. With a store elsewhere that may be long before it answers.
    ///
    /// Dropping the future leaves threads behind that still read the data folder: it is for a process that ends then.
    pub(crate) async fn start(plan: &Plan) -> anyhow::Result<Self> {
        plan.switches.shout();
        raise_open_files(plan.limits.open_files);
        let folder = plan.folder();
        let listener = listening::bind(plan.settings.server.listen, plan.limits.listen_backlog, &folder)?;
        let url = listening::url(listener.local_addr().context("cannot tell the address that was bound")?);
        let lock = if plan.uses_folder() { Some(folder.lock(&Holder::server(&url))?) } else { None };
        info!(version = VERSION, %url, data = %folder.path().display(), "starting");

        let readiness = Readiness::default();
        readiness.say("opening the queue");
        let intake = CancellationToken::new();
        let serving = Gateway::serve(listener, readiness.clone(), intake.clone(), plan.limits.drain_connections);
        let gateway = tokio::spawn(serving);
        // When the start fails, the gateway ends too.
        let unfinished = intake.clone().drop_guard();

        let queue = Queue::open(plan).await?;
        let parts = parts::parts(plan, &queue);
        let bringing_up = if plan.has_store_elsewhere() {
            // It may come later than the readings.
            readiness.ready(Arc::clone(&parts));
            let (plan, parts, queue) = (plan.clone(), Arc::clone(&parts), queue.clone());
            tokio::spawn(async move {
                let chores = bring_up(&plan, &parts, &queue).await?;
                info!("whole");
                attend(chores, &parts).await
            })
        } else {
            readiness.say("restoring devices");
            let chores = bring_up(plan, &parts, &queue).await?;
            readiness.ready(Arc::clone(&parts));
            let parts = Arc::clone(&parts);
            tokio::spawn(async move { attend(chores, &parts).await })
        };
        unfinished.disarm();
        info!(version = VERSION, %url, data = %folder.path().display(), "ready");
        Ok(Self { url, limits: plan.limits, queue, parts, intake, gateway, bringing_up, _lock: ManuallyDrop::new(lock) })
    }

    /// Where it is reached from this machine.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Serves until the end is wanted, then drains.
    ///
    /// # Errors
    /// When it stopped serving by itself, or can never be whole.
    pub(crate) async fn run(mut self, stop: &Stop) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = stop.requested() => None,
            ended = &mut self.gateway => Some(match ended {
                Ok(()) => anyhow::anyhow!("the HTTP server ended by itself"),
                Err(error) => anyhow::Error::new(error).context("the HTTP server failed"),
            }),
            ended = &mut self.bringing_up => Some(match ended {
                Ok(Ok(())) => anyhow::anyhow!("the service ended by itself"),
                Ok(Err(error)) => error,
                Err(error) => anyhow::Error::new(error).context("the start failed"),
            }),
        };
        self.drain().await;
        failed.map_or(Ok(()), Err)
    }
}

/// How often it is looked whether devices still run, and the store still answers.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A store that is away for less than this costs no process its partitions: so a restart of the database moves nothing.
const STORE_AWAY: Duration = Duration::from_secs(3);

/// Looks after what has to be done from time to time, without end.
///
/// # Errors
/// When devices have failed whose partitions other processes could own: they get them when this one ends.
async fn attend(chores: Option<Chores>, parts: &Parts) -> anyhow::Result<()> {
    let mut away_since = None;
    loop {
        sleep(LOOK_EVERY).await;
        if !parts.queue.is_shared() {
            continue;
        }
        if let Some(store) = parts.late.store().filter(|store| store.shared().is_some()) {
            away_since = store.health().trouble.map(|_| away_since.unwrap_or_else(Instant::now));
            parts.queue.store_answers(away_since.is_none_or(|since| since.elapsed() < STORE_AWAY));
        }
        if parts.late.states().is_some_and(|states| states.has_failed()) {
            drop(chores);
            anyhow::bail!("a state shard has failed; this process ends, so that others take its partitions over");
        }
    }
}

fn raise_open_files(wanted: u64) {
    match open_files::raise(wanted) {
        Ok(allowed) if allowed < wanted => {
            info!(allowed, wanted, "fewer open files are allowed than wanted, so connections are limited; see ulimit -n");
        }
        Ok(_) => {}
        Err(error) => warn!(%error, "the number of open files could not be raised"),
    }
}
