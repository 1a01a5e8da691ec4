//! The running service: its parts, put together in one process.
//!
//! The order matters both ways. It starts from the outside in, so that whoever asks meanwhile is told what is going on, and takes
//! readings only when everything behind them stands. It stops along the way of a reading: intake, queue, devices, streams.

mod listening;

mod parts;

mod recovery;

mod unrestored;

mod forgetting;

mod chores;

mod drain;

use std::mem::ManuallyDrop;
use std::sync::Arc;

use anyhow::Context as _;
use fieldwatch_broker::EmbeddedQueue;
use fieldwatch_device_state::Running;
use fieldwatch_gateway::{Gateway, Readiness};
use fieldwatch_push::Hub;
use fieldwatch_segment_log::DirectoryLock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::data_folder::{DataFolder, Holder};
use crate::limits::Limits;
use crate::open_files;
use crate::settings::Settings;
use crate::signals::Stop;
use crate::switches::Switches;
use chores::{Chores, Untidy};

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a service is made from.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) switches: Switches,
    pub(crate) limits: Limits,
}

impl Plan {
    fn folder(&self) -> DataFolder {
        DataFolder::at(&self.settings.data_dir)
    }
}

/// A service that takes readings.
pub(crate) struct Service {
    url: String,
    limits: Limits,
    queue: Arc<EmbeddedQueue>,
    states: Arc<Running>,
    hub: Arc<Hub>,
    chores: Chores,
    intake: CancellationToken,
    gateway: JoinHandle<()>,
    /// Given back by the end of the process and not before: a shard past its deadline, or a commit that a stalled disk
    /// holds up, may still be writing after the drain.
    _lock: ManuallyDrop<DirectoryLock>,
}

impl Service {
    /// Starts everything, and returns when readings are taken.
    ///
    /// Dropping the future leaves threads behind that still read the data folder: it is for a process that ends then.
    pub(crate) async fn start(plan: &Plan) -> anyhow::Result<Self> {
        plan.switches.shout();
        raise_open_files(plan.limits.open_files);
        let folder = plan.folder();
        let listener = listening::bind(plan.settings.server.listen, plan.limits.listen_backlog, &folder)?;
        let url = listening::url(listener.local_addr().context("cannot tell the address that was bound")?);
        let lock = folder.lock(&Holder::server(&url))?;
        info!(version = VERSION, %url, data = %folder.path().display(), "starting");

        let readiness = Readiness::default();
        readiness.say("opening the data folder");
        let intake = CancellationToken::new();
        let serving = Gateway::serve(listener, readiness.clone(), intake.clone(), plan.limits.drain_connections);
        let gateway = tokio::spawn(serving);
        // When the start fails, the gateway ends too.
        let unfinished = intake.clone().drop_guard();

        let opened = parts::open(plan).await?;
        readiness.say("restoring devices");
        let started = parts::start(plan, opened).await?;
        let (queue, states, hub) = (started.queue, started.states, started.hub);
        let untidy = Untidy {
            store: started.store,
            queue: Arc::clone(&queue),
            letters: Arc::clone(&started.parts.dead_letters),
            clock: Arc::clone(&started.parts.clock),
        };
        let chores = Chores::start(&plan.limits, untidy, started.forgetting, started.directory, Arc::clone(&hub));
        readiness.ready(started.parts);
        unfinished.disarm();
        info!(version = VERSION, %url, data = %folder.path().display(), "ready");
        Ok(Self { url, limits: plan.limits, queue, states, hub, chores, intake, gateway, _lock: ManuallyDrop::new(lock) })
    }

    /// Where it is reached from this machine.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Serves until the end is wanted, then drains.
    ///
    /// # Errors
    /// When it stopped serving by itself.
    pub(crate) async fn run(mut self, stop: &Stop) -> anyhow::Result<()> {
        tokio::select! {
            () = stop.requested() => {}
            ended = &mut self.gateway => {
                self.drain().await;
                return match ended {
                    Ok(()) => Err(anyhow::anyhow!("the HTTP server ended by itself")),
                    Err(error) => Err(anyhow::Error::new(error).context("the HTTP server failed")),
                };
            }
        }
        self.drain().await;
        Ok(())
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
