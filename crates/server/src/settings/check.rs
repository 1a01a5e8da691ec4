//! What no single value can show to be wrong, and what is configured right but not built yet.

use fieldwatch_domain::SHELVES;

use super::load::Loaded;
use super::problem::Problem;
use super::tree::{OriginalEndpoints, PushKind, QueueKind, Role, Settings, StoreKind};

/// Checks the settings against each other. What involves a value that could not be read is left out: its default stands
/// in its place, and a complaint about that would mislead.
pub(super) fn check(loaded: &Loaded, problems: &mut Vec<Problem>) {
    let settings = &loaded.settings;
    let unreadable: Vec<String> = problems.iter().map(|problem| problem.key.trim_end_matches("_file").to_owned()).collect();
    // The first of `keys` is the one to be named.
    let mut wrong = |keys: &[&str], what: String| {
        if !keys.iter().any(|key| unreadable.iter().any(|other| other == key)) {
            problems.push(Problem { origin: loaded.origin(keys[0]), key: keys[0].to_owned(), value: None, what });
        }
    };

    let server = &settings.server;
    if !server.listen.ip().to_canonical().is_loopback() && !server.insecure {
        wrong(
            &["server.listen", "server.insecure"],
            format!(
                "{} can be reached by other machines, and nobody would be asked who they are; listen on 127.0.0.1 (and put a \
                 proxy with authentication before it), or set server.insecure = true",
                server.listen
            ),
        );
    }

    let devices = &settings.devices;
    if devices.temperature_min_celsius >= devices.temperature_max_celsius {
        wrong(
            &["devices.temperature_min_celsius", "devices.temperature_max_celsius"],
            "must be below devices.temperature_max_celsius".to_owned(),
        );
    }

    let mut needed = |key: &str, is_set: bool, kind_key: &str, kind: &str| {
        if !is_set {
            wrong(&[key, kind_key], format!("is needed by {kind_key} = \"{kind}\""));
        }
    };
    if settings.queue.kind == QueueKind::RabbitMq {
        needed("queue.rabbitmq.url", settings.queue.rabbitmq.url.is_some(), "queue.kind", "rabbitmq");
    }
    let store = &settings.store;
    match store.kind {
        StoreKind::Embedded => {}
        StoreKind::PostgreSql => needed("store.postgresql.url", store.postgresql.url.is_some(), "store.kind", "postgresql"),
        StoreKind::KurrentDb => needed("store.kurrentdb.url", store.kurrentdb.url.is_some(), "store.kind", "kurrentdb"),
        StoreKind::InfluxDb => {
            needed("store.influxdb.url", store.influxdb.url.is_some(), "store.kind", "influxdb");
            needed("store.influxdb.bucket", store.influxdb.bucket.is_some(), "store.kind", "influxdb");
        }
    }
    if settings.push.kind == PushKind::Pushpin {
        needed("push.pushpin.control_url", settings.push.pushpin.control_url.is_some(), "push.kind", "pushpin");
    }

    // A device's shelf in the store and its partition are remainders of one hash.
    if !SHELVES.is_multiple_of(settings.queue.rabbitmq.partitions as usize) {
        wrong(&["queue.rabbitmq.partitions"], "must be 1, 2, 4, 8, 16, 32 or 64".to_owned());
    }
    let has = |role| server.roles.contains(&role);
    let all = Role::ALL.iter().all(|role| has(*role));
    if !all && settings.queue.kind == QueueKind::Embedded {
        wrong(
            &["server.roles", "queue.kind"],
            "need all of ingest, state, api while queue.kind = \"embedded\": no other process can reach that queue".to_owned(),
        );
    } else if has(Role::State) != has(Role::Api) && store.kind == StoreKind::Embedded {
        wrong(
            &["server.roles", "store.kind"],
            "need state and api together while store.kind = \"embedded\": no other process can reach that store".to_owned(),
        );
    }
    if !devices.restore && store.kind != StoreKind::Embedded {
        wrong(
            &["devices.restore", "store.kind"],
            "must be true unless store.kind = \"embedded\": what other processes know of devices cannot be left out".to_owned(),
        );
    }
}

/// What these settings ask for and this version cannot do, a sentence each; empty when it can do all.
pub(crate) fn unsupported(settings: &Settings) -> Vec<String> {
    let mut missing = Vec::new();
    let mut not_built = |setting: &str, instead: &str| missing.push(format!("{setting} is not built yet; use {instead}"));
    match settings.store.kind {
        StoreKind::Embedded | StoreKind::PostgreSql => {}
        StoreKind::KurrentDb => not_built(r#"store.kind = "kurrentdb""#, r#""embedded" or "postgresql""#),
        StoreKind::InfluxDb => not_built(r#"store.kind = "influxdb""#, r#""embedded" or "postgresql""#),
    }
    match settings.push.kind {
        PushKind::Embedded => {}
        PushKind::Pushpin => not_built(r#"push.kind = "pushpin""#, r#""embedded""#),
    }
    match settings.server.original_endpoints {
        OriginalEndpoints::Open | OriginalEndpoints::Off => {}
        OriginalEndpoints::Token => not_built(r#"server.original_endpoints = "token""#, r#""open" or "off""#),
    }
    missing
}
