//! The table of all settings: name, place in the tree, form and meaning.

use fieldwatch_domain::Celsius;

use super::form::{
    Address, Count, DurationOr, Folder, Form, Hidden, Kilometres, OneOf, Size, SomeOf, Switch, Temperature, Text, TimeZone, Url,
};
use super::tree::{OriginalEndpoints, OriginalTopology, PushKind, QueueKind, Role, Settings, StoreKind};
use super::written::Written;

/// One setting.
pub(super) struct Key {
    /// With its sections: `queue.rabbitmq.url`.
    pub(super) name: &'static str,
    /// A sentence for the manual and for `config print --explain`.
    pub(super) meaning: &'static str,
    /// Whether its value is masked, and may come from the file that `<name>_file` names.
    pub(super) is_secret: bool,
    /// Puts a written value into the tree, or says what is allowed.
    pub(super) read: fn(&mut Settings, &Written) -> Result<(), String>,
    /// The value in TOML; `None` when it is not set.
    pub(super) show: fn(&Settings) -> Option<String>,
}

impl Key {
    /// The key that names a file with the value; only secrets have one.
    pub(super) fn file_name(&self) -> Option<String> {
        self.is_secret.then(|| format!("{}_file", self.name))
    }

    /// The sections, `queue.rabbitmq`, or nothing.
    pub(super) fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }
}

macro_rules! key {
    ($first:ident $(. $rest:ident)*, $form:expr, $meaning:literal) => {
        key!(@ false, $first $(. $rest)*, $form, $meaning)
    };
    (secret $first:ident $(. $rest:ident)*, $form:expr, $meaning:literal) => {
        key!(@ true, $first $(. $rest)*, $form, $meaning)
    };
    (@ $secret:literal, $first:ident $(. $rest:ident)*, $form:expr, $meaning:literal) => {
        Key {
            name: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            meaning: $meaning,
            is_secret: $secret,
            read: |settings, written| {
                settings.$first $(. $rest)* = $form.read(written)?;
                Ok(())
            },
            show: |settings| $form.show(&settings.$first $(. $rest)*),
        }
    };
}

const ROLES: OneOf<Role> =
    OneOf(&[(Role::Ingest.word(), Role::Ingest), (Role::State.word(), Role::State), (Role::Api.word(), Role::Api)]);
const ORIGINAL_ENDPOINTS: OneOf<OriginalEndpoints> =
    OneOf(&[("open", OriginalEndpoints::Open), ("token", OriginalEndpoints::Token), ("off", OriginalEndpoints::Off)]);
const QUEUE_KINDS: OneOf<QueueKind> = OneOf(&[("embedded", QueueKind::Embedded), ("rabbitmq", QueueKind::RabbitMq)]);
const ORIGINAL_TOPOLOGIES: OneOf<OriginalTopology> = OneOf(&[
    ("existing", OriginalTopology::Existing),
    ("durable", OriginalTopology::Durable),
    ("original", OriginalTopology::Original),
    ("off", OriginalTopology::Off),
]);
const STORE_KINDS: OneOf<StoreKind> = OneOf(&[
    ("embedded", StoreKind::Embedded),
    ("postgresql", StoreKind::PostgreSql),
    ("kurrentdb", StoreKind::KurrentDb),
    ("influxdb", StoreKind::InfluxDb),
]);
const PUSH_KINDS: OneOf<PushKind> = OneOf(&[("embedded", PushKind::Embedded), ("pushpin", PushKind::Pushpin)]);

/// What a temperature threshold may be: nothing, up to the whole range of temperatures.
const THRESHOLD: Temperature =
    Temperature { least: Celsius::from_stored(0), most: Celsius::from_stored(Celsius::HIGHEST.steps() - Celsius::LOWEST.steps()) };
const BELIEVABLE: Temperature = Temperature { least: Celsius::LOWEST, most: Celsius::HIGHEST };

const AMQP: Url = Url(&["amqp", "amqps"]);
const POSTGRESQL: Url = Url(&["postgresql", "postgres"]);
const KURRENTDB: Url = Url(&["kurrentdb", "kurrentdb+discover", "esdb", "esdb+discover"]);
const HTTP: Url = Url(&["http", "https"]);

/// All settings, those without a section first, then section by section.
pub(super) static KEYS: &[Key] = &[
    key!(data_dir, Folder, "Folder of the embedded queue and store."),
    key!(
        server.listen,
        Address,
        "Address and port of the HTTP server. One that other machines can reach is refused while there is no authentication, unless server.insecure is true."
    ),
    key!(
        server.roles,
        SomeOf(ROLES),
        "What this process does: ingest, state, api. Health, metrics and status are served in every role."
    ),
    key!(
        server.original_endpoints,
        ORIGINAL_ENDPOINTS,
        "The paths of the original system: open, token (a device token is wanted), off."
    ),
    key!(server.insecure, Switch, "Allows an address that other machines can reach without authentication."),
    key!(
        devices.temperature_threshold_celsius,
        THRESHOLD,
        "A temperature at most this far from the last notified one is similar, in °C; compared exactly."
    ),
    key!(
        devices.distance_threshold_km,
        Kilometres,
        "A location nearer than this to the last notified one is very close, in kilometres."
    ),
    key!(devices.temperature_min_celsius, BELIEVABLE, "The lowest temperature that is believed, in °C."),
    key!(devices.temperature_max_celsius, BELIEVABLE, "The highest temperature that is believed, in °C."),
    key!(
        devices.idle_after,
        DurationOr("never"),
        "A device from which nothing was received for so long is idle, and its actor passivated."
    ),
    key!(devices.silent_after, DurationOr("never"), "A device from which nothing was received for so long is silent."),
    key!(
        devices.restore,
        Switch,
        "Restores the state of devices from the event log. If false, each device begins anew with its next reading; its history is kept."
    ),
    key!(queue.kind, QUEUE_KINDS, "What lies between ingest and device state: embedded or rabbitmq."),
    key!(queue.max_bytes, Size, "Size of the embedded queue beyond which readings are refused with 503."),
    key!(secret queue.rabbitmq.url, AMQP, "Where the broker is reached; amqps:// for TLS."),
    key!(
        queue.rabbitmq.ca_file,
        Text,
        "File with certificates (PEM) that are trusted, beside those that the system trusts, when that of an amqps:// broker is checked."
    ),
    key!(
        queue.rabbitmq.partitions,
        Count { least: 1, most: 64 },
        "Number of partitions: 1, 2, 4, 8, 16, 32 or 64; the same in all processes on one broker."
    ),
    key!(
        queue.rabbitmq.prefetch,
        Count { least: 1, most: 65_535 },
        "Messages, of up to 1 000 readings each, that the owner of a partition holds unacknowledged."
    ),
    key!(
        queue.rabbitmq.original,
        ORIGINAL_TOPOLOGIES,
        "The original system's exchange and queue: existing (use what is there), durable, original (declare it so), off."
    ),
    key!(queue.rabbitmq.original_time_zone, TimeZone, "Time zone of the times in original messages, an IANA name."),
    key!(queue.rabbitmq.exchange, Text, "Name of the original exchange."),
    key!(queue.rabbitmq.queue, Text, "Name of the original queue."),
    key!(queue.rabbitmq.routing_key, Text, "Routing key of original messages."),
    key!(store.kind, STORE_KINDS, "Where events are kept: embedded, postgresql, kurrentdb or influxdb."),
    key!(store.retention, DurationOr("forever"), "How long events are kept; current state never expires."),
    key!(secret store.postgresql.url, POSTGRESQL, "Where the database is reached."),
    key!(secret store.kurrentdb.url, KURRENTDB, "Where the database is reached."),
    key!(secret store.influxdb.url, HTTP, "Where the database is reached."),
    key!(store.influxdb.org, Text, "Organisation that the bucket belongs to."),
    key!(store.influxdb.bucket, Text, "Bucket that the events are written to."),
    key!(secret store.influxdb.token, Hidden, "Token that may read and write the bucket."),
    key!(push.kind, PUSH_KINDS, "How events reach browsers: embedded or pushpin."),
    key!(secret push.pushpin.control_url, HTTP, "Where Pushpin takes what is to be published."),
    key!(secret push.pushpin.grip_key, Hidden, "Key by which Pushpin and this program recognise each other."),
    key!(metrics.mailbox_interval, DurationOr("never"), "How often the lengths of mailboxes are sampled for /metrics."),
    key!(
        metrics.max_mailbox_series,
        Count { least: 0, most: 1_000_000 },
        "At most so many mailboxes are shown, the longest first."
    ),
];

/// Every name that may be written, those of secrets' files included.
pub(super) fn names() -> Vec<String> {
    KEYS.iter().flat_map(|key| [Some(key.name.to_owned()), key.file_name()]).flatten().collect()
}

/// Whether a value may be written under `name`.
pub(super) fn is_name(name: &str) -> bool {
    names().iter().any(|known| known == name)
}

/// Every section, outer ones too: `queue`, `queue.rabbitmq`.
pub(super) fn sections() -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for key in KEYS {
        for (dot, _) in key.name.match_indices('.') {
            let section = &key.name[..dot];
            if !sections.iter().any(|known| known == section) {
                sections.push(section.to_owned());
            }
        }
    }
    sections
}

/// Whether `name` is a section.
pub(super) fn is_section(name: &str) -> bool {
    sections().iter().any(|known| known == name)
}
