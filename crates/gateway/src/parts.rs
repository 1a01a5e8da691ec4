//! What the gateway is made of.

use fieldwatch_broker::{LetterBox, ReadingQueue};
use fieldwatch_device_state::{Running, WallClock};
use fieldwatch_directory::Directory;
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_event_store::EventStore;
use fieldwatch_push::Hub;
use std::{sync::Arc, time::Duration};

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
    pub dead_letters: Arc<dyn LetterBox>,
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
