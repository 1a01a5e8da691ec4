//! What the gateway is given: everything that is there from the first moment.

use std::sync::Arc;

use fieldwatch_device_state::{Commands, Metrics};
use fieldwatch_domain::DeviceNumbers;
use fieldwatch_gateway::{Late, Parts, Roles};
use fieldwatch_wire::ingest;

use super::bringing_up::now;
use super::queue::Queue;
use super::{Plan, VERSION};
use crate::settings::{OriginalEndpoints, Role};

/// The parts, those that come late still missing.
pub(super) fn parts(plan: &Plan, queue: &Queue) -> Arc<Parts> {
    let late = Late::default();
    late.waits_for(Some("starting".to_owned()));
    Arc::new(Parts {
        version: VERSION,
        roles: roles(plan),
        numbers: Arc::new(DeviceNumbers::default()),
        queue: queue.shared(),
        commands: Commands::default(),
        readings: Metrics::default(),
        dead_letters: Arc::clone(&queue.letters),
        late,
        limits: ingest_limits(plan),
        original_endpoints: original_endpoints(plan),
        mailbox_interval: plan.settings.metrics.mailbox_interval,
        max_mailbox_series: plan.settings.metrics.max_mailbox_series as usize,
        clock: Arc::new(now),
        notes: queue.notes(),
        counters: queue.counters(),
    })
}

fn roles(plan: &Plan) -> Roles {
    let has = |role| plan.settings.server.roles.contains(&role);
    Roles { ingest: has(Role::Ingest), state: has(Role::State), api: has(Role::Api) }
}

/// What is believed of a reading.
pub(super) fn ingest_limits(plan: &Plan) -> ingest::Limits {
    ingest::Limits {
        temperature_min: plan.settings.devices.temperature_min_celsius,
        temperature_max: plan.settings.devices.temperature_max_celsius,
        ..ingest::Limits::default()
    }
}

fn original_endpoints(plan: &Plan) -> fieldwatch_gateway::OriginalEndpoints {
    match plan.settings.server.original_endpoints {
        OriginalEndpoints::Open => fieldwatch_gateway::OriginalEndpoints::Open,
        // Tokens are refused as not built before anything starts; nobody may get in by a mistake about that.
        OriginalEndpoints::Token | OriginalEndpoints::Off => fieldwatch_gateway::OriginalEndpoints::Off,
    }
}
