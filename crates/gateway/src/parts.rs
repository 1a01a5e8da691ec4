//! What the gateway is made of.

use crate::problem::Problem;
use axum::http::StatusCode;
use fieldwatch_broker::{LetterBox, ReadingQueue};
use fieldwatch_device_state::{Commands, Running, WallClock};
use fieldwatch_directory::Directory;
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::EventStore;
use fieldwatch_push::Hub;
use prometheus_client::metrics::counter::Counter;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Everything behind the routes.
pub struct Parts {
    /// The version of the program.
    pub version: &'static str,
    /// What this process does.
    pub roles: Roles,
    /// Ids and their numbers.
    pub numbers: Arc<DeviceNumbers>,
    /// Where readings and commands are published.
    pub queue: Arc<dyn ReadingQueue>,
    /// Where the outcome of commands is waited for.
    pub commands: Commands,
    /// What is measured about readings and devices.
    pub readings: fieldwatch_device_state::Metrics,
    /// The letters that were parked.
    pub dead_letters: Arc<dyn LetterBox>,
    /// What comes once the store has answered.
    pub late: Late,
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
    /// What people should know although the process is ready, each asked when it is wanted.
    pub notes: Vec<Note>,
    /// What is counted elsewhere and shown here.
    pub counters: Vec<NamedCounter>,
}

/// A counter with the name it is shown by, without `_total`.
pub struct NamedCounter {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// The counter.
    pub counter: Counter,
}

/// Tells something that people should know; `None` while there is nothing.
pub type Note = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// It takes readings in.
    pub ingest: bool,
    /// Its devices decide.
    pub state: bool,
    /// It answers questions and streams.
    pub api: bool,
}

impl Roles {
    /// All of them.
    pub const ALL: Self = Self { ingest: true, state: true, api: true };

    /// As the configuration names them.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let words = [(self.ingest, "ingest"), (self.state, "state"), (self.api, "api")];
        words.into_iter().filter_map(|(has, word)| has.then_some(word))
    }

    /// Whether the event store is used at all.
    pub const fn use_store(self) -> bool {
        self.state || self.api
    }
}

/// Parts that are there once the store has answered and the devices are restored; until then it is said what is going on.
/// Some never come, because the process has not their role.
#[derive(Default)]
pub struct Late {
    store: OnceLock<Arc<dyn EventStore>>,
    read_side: OnceLock<ReadSide>,
    states: OnceLock<Arc<Running>>,
    waits_for: Mutex<Option<String>>,
}

/// Where it is looked up what devices do, in processes with role `api`.
pub struct ReadSide {
    /// Where devices are.
    pub directory: Arc<Directory>,
    /// Where streams are opened.
    pub hub: Arc<Hub>,
}

impl Late {
    /// The store has answered.
    pub fn store_is(&self, store: Arc<dyn EventStore>) {
        drop(self.store.set(store));
    }

    /// Lists and streams can be served.
    pub fn read_side_is(&self, directory: Arc<Directory>, hub: Arc<Hub>) {
        drop(self.read_side.set(ReadSide { directory, hub }));
    }

    /// Devices decide.
    pub fn states_are(&self, states: Arc<Running>) {
        drop(self.states.set(states));
    }

    /// Says what is waited for; `None` when nothing is any more.
    pub fn waits_for(&self, what: Option<String>) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// What is waited for; `None` once nothing is.
    pub fn waiting_for(&self) -> Option<String> {
        self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where histories are read, once it has answered.
    pub fn store(&self) -> Option<&Arc<dyn EventStore>> {
        self.store.get()
    }

    /// What readers are served from.
    pub fn read_side(&self) -> Option<&ReadSide> {
        self.read_side.get()
    }

    /// The running devices.
    pub fn states(&self) -> Option<&Arc<Running>> {
        self.states.get()
    }
}

impl Parts {
    /// Where devices are.
    pub(crate) fn directory(&self) -> Result<&Arc<Directory>, Problem> {
        Ok(&self.read()?.directory)
    }

    /// Where streams are opened.
    pub(crate) fn hub(&self) -> Result<&Arc<Hub>, Problem> {
        Ok(&self.read()?.hub)
    }

    /// Where histories are read, for those who ask.
    pub(crate) fn history(&self) -> Result<&Arc<dyn EventStore>, Problem> {
        self.read()?;
        self.late.store().ok_or_else(|| self.not_yet())
    }

    fn read(&self) -> Result<&ReadSide, Problem> {
        if !self.roles.api {
            return Err(not_our_role("api"));
        }
        self.late.read_side().ok_or_else(|| self.not_yet())
    }

    fn not_yet(&self) -> Problem {
        let doing = self.late.waiting_for().unwrap_or_else(|| "starting".to_owned());
        Problem::unavailable("starting", format!("the server is not ready yet: {doing}"), 1)
    }
}

/// The process is asked for what another process does.
pub(crate) fn not_our_role(role: &str) -> Problem {
    let detail = format!("this process has not the role {role} (server.roles); ask one that has it");
    Problem::new(StatusCode::NOT_FOUND, "role_not_served", detail)
}

/// Who may use the paths of the original system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginalEndpoints {
    /// Anybody.
    Open,
    /// Nobody: they are 404.
    Off,
}
