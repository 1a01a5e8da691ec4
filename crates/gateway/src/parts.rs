//! What the gateway is made of, and the server around its routes.

use fieldwatch_broker::{DeadLetters, ReadingQueue};
use fieldwatch_device_state::{Running, WallClock};
use fieldwatch_directory::Directory;
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::EventStore;
use fieldwatch_push::Hub;
use std::{sync::Arc, sync::OnceLock, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Everything behind the routes. In a process of all roles nothing is missing.
pub struct Parts {
    /// The version of the program.
    pub version: &'static str,
    /// The roles of this process, as the configuration names them.
    pub roles: Vec<&'static str>,
    /// Ids and their numbers.
    pub numbers: Arc<DeviceNumbers>,
    /// Where readings and commands are published.
    pub queue: Arc<dyn ReadingQueue>,
    /// The letters that were parked.
    pub dead_letters: Arc<DeadLetters>,
    /// Where histories are read.
    pub store: Arc<dyn EventStore>,
    /// Where devices are.
    pub directory: Arc<Directory>,
    /// Where streams are opened.
    pub hub: Arc<Hub>,
    /// The running devices.
    pub states: Arc<Running>,
    /// What readings are held against.
    pub limits: fieldwatch_wire::ingest::Limits,
    /// How the original paths are served.
    pub original_endpoints: OriginalEndpoints,
    /// How often mailboxes are sampled; `None`: never.
    pub mailbox_interval: Option<Duration>,
    /// At most so many mailboxes are shown.
    pub max_mailbox_series: usize,
    /// Tells the time of receipt.
    pub clock: WallClock,
}

/// Who may use the paths of the original system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginalEndpoints {
    /// Anybody.
    Open,
    /// Nobody: they are 404.
    Off,
}

/// What is served before and while the state is restored: `/health/live` is 200, everything else 503 with what is going
/// on, until the parts are there. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness {
    _parts: Arc<OnceLock<Arc<Parts>>>,
}

impl Readiness {
    /// From now on requests are served.
    pub fn ready(&self, _parts: Arc<Parts>) {
        unimplemented!()
    }

    /// What to tell those who ask meanwhile, such as `restoring devices`.
    pub fn say(&self, _what: &str) {
        unimplemented!()
    }
}

/// The HTTP server.
pub struct Gateway {}

impl Gateway {
    /// Serves until `stop` is cancelled: then takes no new connections, lets requests in hand finish, and returns when all
    /// connections are closed or `drain` has passed. The hub is closed by the caller.
    pub async fn serve(_listener: TcpListener, _readiness: Readiness, _stop: CancellationToken, _drain: Duration) {
        unimplemented!()
    }
}
