//! The registry of everything that is measured.

use crate::Parts;
use crate::intake::Intake;
use crate::mailboxes::Mailboxes;
use fieldwatch_device_state::{ReadingLabel, ReadingResult};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{family::Family, gauge::Gauge};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// What the gateway measures itself, and the registry in which everybody's metrics are.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) mailboxes: Arc<Mailboxes>,
    devices: Family<StatusLabel, Gauge>,
    depth: Family<PartitionLabel, Gauge>,
    dead_letters: Gauge,
    actors: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabel {
    partition: u32,
}

impl Metrics {
    pub(crate) fn new(parts: &Arc<Parts>, intake: &Intake, connections: Gauge) -> Self {
        let mailboxes = Arc::new(Mailboxes::new(Arc::clone(parts)));
        mailboxes.sample();
        let mut metrics = Self {
            registry: Registry::default(),
            mailboxes,
            devices: Family::default(),
            depth: Family::default(),
            dead_letters: Gauge::default(),
            actors: Gauge::default(),
        };
        metrics.register_own(intake, connections);
        metrics.register_of(parts);
        metrics
    }

    fn register_own(&mut self, intake: &Intake, connections: Gauge) {
        let Self { registry, mailboxes, devices, depth, dead_letters, actors } = self;
        registry.register(
            "fieldwatch_ingest_duration_seconds",
            "From the head of a request with readings until its answer",
            intake.seconds.clone(),
        );
        registry.register("fieldwatch_devices", "Known devices by status", devices.clone());
        let help = "Readings and commands accepted and not yet stored as decided, by partition";
        registry.register("fieldwatch_queue_depth", help, depth.clone());
        let help = "Parked readings and commands that wait for somebody to look at them";
        registry.register("fieldwatch_dead_letters", help, dead_letters.clone());
        registry.register("fieldwatch_device_actors", "Devices that are active in memory", actors.clone());
        registry.register("fieldwatch_http_connections", "Open connections", connections);
        registry.register_collector(Box::new(Arc::clone(mailboxes)));
    }

    fn register_of(&mut self, parts: &Parts) {
        let Self { registry, .. } = self;
        let readings = parts.states.metrics().readings.clone();
        for result in [ReadingResult::late, ReadingResult::duplicate, ReadingResult::parked] {
            // A series that is there with 0 can be alerted on from the start.
            drop(readings.get_or_create(&ReadingLabel { result }));
        }
        registry.register("fieldwatch_readings", "Readings by what became of them", readings);
        let help = "Turns of a device that panicked";
        registry.register("fieldwatch_device_panics", help, parts.states.metrics().panics.clone());
        let store = parts.store.metrics();
        registry.register("fieldwatch_events", "Events stored, by type", store.events.clone());
        let help = "From handing a batch to the event store until it is durable";
        registry.register("fieldwatch_store_append_seconds", help, store.append_seconds.clone());
        let help = "One group commit of the queue, from its first waiter until it is durable";
        registry.register("fieldwatch_queue_commit_seconds", help, parts.queue.metrics().commit_seconds.clone());
        let hub = parts.hub.metrics();
        registry.register("fieldwatch_stream_clients", "Open streams", hub.clients.clone());
        let help = "Streams that were cut because they were too slow";
        registry.register("fieldwatch_stream_dropped", help, hub.dropped.clone());
        let help = "From receipt of a reading until its events were handed to the streams";
        registry.register("fieldwatch_reading_to_push_seconds", help, hub.reading_to_push_seconds.clone());
    }

    /// Everything as `OpenMetrics` text.
    pub(crate) fn encode(&self, parts: &Parts) -> Result<String, std::fmt::Error> {
        let counts = parts.directory.counts();
        for (status, count) in [("active", counts.active), ("idle", counts.idle), ("silent", counts.silent)] {
            self.devices.get_or_create(&StatusLabel { status }).set(count as i64);
        }
        for (partition, depth) in parts.queue.depths().into_iter().enumerate() {
            self.depth.get_or_create(&PartitionLabel { partition: partition as u32 }).set(depth as i64);
        }
        self.dead_letters.set(parts.dead_letters.waiting() as i64);
        self.actors.set(parts.states.active() as i64);
        let mut text = String::with_capacity(32 * 1024);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
