//! How a process uses the broker.

use super::RabbitAddress;
use std::{path::PathBuf, time::Duration};

/// How this process uses the broker.
#[derive(Clone, Debug)]
pub struct RabbitOptions {
    /// Where it is.
    pub address: RabbitAddress,
    /// Certificates, in PEM, by one of which an `amqps://` broker is vouched for, beside those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// How many partitions there are; what the broker remembers has to be the same.
    pub partitions: u16,
    /// How many messages of a partition are delivered ahead of their acknowledgement. A message is up to 1 000 readings.
    pub prefetch: u16,
    /// The name of this process among its like; no other may have it.
    pub node: String,
    /// Whether this process consumes (role `state`).
    pub consumes: bool,
    /// Whether it may be the first to use the broker, and has the broker remember how. Otherwise it only uses what others set up.
    pub founds: bool,
    /// The id of the store's log, once known ([`super::RabbitQueue::set_log_id`]).
    pub log_id: Option<String>,
    /// Beyond so many bytes a partition takes nothing; `None`: as much as the broker has room for.
    pub max_partition_bytes: Option<u64>,
    /// How long things may take.
    pub deadlines: Deadlines,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// A connection, with its handshakes.
    pub connect: Duration,
    /// Any question to the broker. After it the connection counts as lost.
    pub call: Duration,
    /// From handing over entries to an answer, whatever happens.
    pub publish: Duration,
    /// How often processes say to one another that they live; unseen for four times this, one is gone.
    pub hello: Duration,
    /// For how long a connection may be away before publishers are refused at once.
    pub away: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            call: Duration::from_secs(5),
            publish: Duration::from_secs(5),
            hello: Duration::from_millis(500),
            away: Duration::from_secs(1),
        }
    }
}

impl RabbitOptions {
    /// The usual options: 16 partitions, consuming.
    pub fn new(address: RabbitAddress, node: impl Into<String>) -> Self {
        Self {
            address,
            ca_file: None,
            partitions: 16,
            prefetch: 16,
            node: node.into(),
            consumes: true,
            founds: true,
            log_id: None,
            max_partition_bytes: None,
            deadlines: Deadlines::default(),
        }
    }
}
