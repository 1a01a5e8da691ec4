//! The settings as the rest of the program reads them. [`Settings::default`] is the one place where defaults stand.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use fieldwatch_domain::Celsius;

use super::byte_size::ByteSize;
use super::secret::{Secret, ServiceUrl};

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    /// Where the embedded queue and store keep their files.
    pub(crate) data_dir: PathBuf,
    pub(crate) devices: Devices,
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    pub(crate) push: Push,
    pub(crate) metrics: Metrics,
}

/// What this process listens on and does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// Without repeats, never empty.
    pub(crate) roles: Vec<Role>,
    pub(crate) original_endpoints: OriginalEndpoints,
    /// Whether an address that others can reach is allowed without authentication.
    pub(crate) insecure: bool,
}

/// A part of the work that a process can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Ingest,
    State,
    Api,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Ingest, Self::State, Self::Api];

    /// As the configuration and the status name it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::State => "state",
            Self::Api => "api",
        }
    }
}

/// Who may use the paths of the original system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginalEndpoints {
    Open,
    /// Only with a device's token.
    Token,
    Off,
}

/// By which rules readings are judged and devices are kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Devices {
    pub(crate) temperature_threshold_celsius: Celsius,
    /// Not negative, not more than half the Earth's circumference.
    pub(crate) distance_threshold_km: f64,
    /// Below `temperature_max_celsius`.
    pub(crate) temperature_min_celsius: Celsius,
    pub(crate) temperature_max_celsius: Celsius,
    /// `None`: a device is never idle.
    pub(crate) idle_after: Option<Duration>,
    /// `None`: a device never goes silent.
    pub(crate) silent_after: Option<Duration>,
    /// Whether devices are restored from the event log.
    pub(crate) restore: bool,
}

/// What lies between ingest and device state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Queue {
    pub(crate) kind: QueueKind,
    /// The embedded queue refuses readings beyond it.
    pub(crate) max_bytes: ByteSize,
    pub(crate) rabbitmq: RabbitMq,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueKind {
    Embedded,
    RabbitMq,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RabbitMq {
    pub(crate) url: Option<ServiceUrl>,
    /// PEM certificates by which the broker's is checked, in place of the usual ones.
    pub(crate) ca_file: Option<String>,
    /// A divisor of 64.
    pub(crate) partitions: u32,
    /// Messages that one partition's owner holds unacknowledged.
    pub(crate) prefetch: u32,
    pub(crate) original: OriginalTopology,
    /// An IANA name; checked against the time zone database when it is used.
    pub(crate) original_time_zone: String,
    pub(crate) exchange: String,
    pub(crate) queue: String,
    pub(crate) routing_key: String,
}

/// What is done about the original system's exchange and queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginalTopology {
    /// Use what is there as it is.
    Existing,
    /// Declare a durable one.
    Durable,
    /// Declare it as the original does.
    Original,
    Off,
}

/// Where events are kept, and how long.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Store {
    pub(crate) kind: StoreKind,
    pub(crate) postgresql: PostgreSql,
    pub(crate) kurrentdb: KurrentDb,
    pub(crate) influxdb: InfluxDb,
    /// `None`: forever.
    pub(crate) retention: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Embedded,
    PostgreSql,
    KurrentDb,
    InfluxDb,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PostgreSql {
    pub(crate) url: Option<ServiceUrl>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KurrentDb {
    pub(crate) url: Option<ServiceUrl>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InfluxDb {
    pub(crate) url: Option<ServiceUrl>,
    pub(crate) org: Option<String>,
    pub(crate) bucket: Option<String>,
    pub(crate) token: Option<Secret>,
}

/// How events reach browsers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Push {
    pub(crate) kind: PushKind,
    pub(crate) pushpin: Pushpin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushKind {
    Embedded,
    Pushpin,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pushpin {
    pub(crate) control_url: Option<ServiceUrl>,
    pub(crate) grip_key: Option<Secret>,
}

/// What `/metrics` samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metrics {
    /// `None`: mailbox lengths are not sampled.
    pub(crate) mailbox_interval: Option<Duration>,
    pub(crate) max_mailbox_series: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: Server {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
                roles: vec![Role::Ingest, Role::State, Role::Api],
                original_endpoints: OriginalEndpoints::Open,
                insecure: false,
            },
            data_dir: PathBuf::from("./fieldwatch-data"),
            devices: Devices {
                temperature_threshold_celsius: degrees(2),
                distance_threshold_km: 1.0,
                temperature_min_celsius: degrees(-100),
                temperature_max_celsius: degrees(100),
                idle_after: Some(Duration::from_mins(30)),
                silent_after: Some(Duration::from_mins(5)),
                restore: true,
            },
            queue: Queue {
                kind: QueueKind::Embedded,
                max_bytes: ByteSize::from_gib(8),
                rabbitmq: RabbitMq {
                    url: None,
                    ca_file: None,
                    partitions: 16,
                    // A message holds up to 1 000 readings, so this is enough to keep a shard busy through one append.
                    prefetch: 32,
                    original: OriginalTopology::Existing,
                    original_time_zone: "UTC".to_owned(),
                    exchange: "device-events-ex".to_owned(),
                    queue: "device-events-q".to_owned(),
                    routing_key: "device-events-rk".to_owned(),
                },
            },
            store: Store {
                kind: StoreKind::Embedded,
                postgresql: PostgreSql { url: None },
                kurrentdb: KurrentDb { url: None },
                influxdb: InfluxDb { url: None, org: None, bucket: None, token: None },
                retention: None,
            },
            push: Push { kind: PushKind::Embedded, pushpin: Pushpin { control_url: None, grip_key: None } },
            metrics: Metrics { mailbox_interval: Some(Duration::from_secs(5)), max_mailbox_series: 25_000 },
        }
    }
}

const fn degrees(whole: i32) -> Celsius {
    Celsius::from_stored(whole * Celsius::STEPS_PER_DEGREE)
}
