//! The registry of everything that is measured.

use crate::intake::Intake;
use crate::mailboxes::Mailboxes;
use crate::{NamedCounter, Parts};
use fieldwatch_broker::PartitionReport;
use fieldwatch_device_state::{ReadingLabel, ReadingResult};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{family::Family, gauge::Gauge};
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex, PoisonError};

/// What the gateway measures itself, and the registry in which everybody's metrics are.
pub(crate) struct Metrics {
    registry: Mutex<Registered>,
    pub(crate) mailboxes: Arc<Mailboxes>,
    devices: Family<StatusLabel, Gauge>,
    depth: Family<PartitionLabel, Gauge>,
    dead_letters: Gauge,
    actors: Gauge,
    partitions: Partitions,
}

/// What is in the registry: the metrics of parts that come late are added once they are there.
#[derive(Default)]
struct Registered {
    registry: Registry,
    store: bool,
    hub: bool,
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
            registry: Mutex::default(),
            mailboxes,
            devices: Family::default(),
            depth: Family::default(),
            dead_letters: Gauge::default(),
            actors: Gauge::default(),
            partitions: Partitions::default(),
        };
        metrics.register_own(intake, connections);
        metrics.register_of(parts);
        metrics
    }

    fn register_own(&mut self, intake: &Intake, connections: Gauge) {
        let Self { registry, mailboxes, devices, depth, dead_letters, actors, partitions } = self;
        let registry = &mut registry.get_mut().unwrap_or_else(PoisonError::into_inner).registry;
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
        partitions.register(registry);
        registry.register_collector(Box::new(Arc::clone(mailboxes)));
    }

    fn register_of(&mut self, parts: &Parts) {
        let registry = &mut self.registry.get_mut().unwrap_or_else(PoisonError::into_inner).registry;
        let readings = parts.readings.readings.clone();
        for result in [ReadingResult::late, ReadingResult::duplicate, ReadingResult::parked] {
            // A series that is there with 0 can be alerted on from the start.
            drop(readings.get_or_create(&ReadingLabel { result }));
        }
        registry.register("fieldwatch_readings", "Readings by what became of them", readings);
        let help = "Turns of a device that panicked";
        registry.register("fieldwatch_device_panics", help, parts.readings.panics.clone());
        for NamedCounter { name, help, counter } in &parts.counters {
            registry.register(*name, *help, counter.clone());
        }
        let help = "One group commit of the queue, from its first waiter until it is durable";
        registry.register("fieldwatch_queue_commit_seconds", help, parts.queue.metrics().commit_seconds.clone());
    }

    /// Everything as `OpenMetrics` text.
    pub(crate) fn encode(&self, parts: &Parts) -> Result<String, std::fmt::Error> {
        if let Some(side) = parts.late.read_side() {
            let counts = side.directory.counts();
            for (status, count) in [("active", counts.active), ("idle", counts.idle), ("silent", counts.silent)] {
                self.devices.get_or_create(&StatusLabel { status }).set(count as i64);
            }
        }
        for (partition, depth) in parts.queue.depths().into_iter().enumerate() {
            self.depth.get_or_create(&PartitionLabel { partition: partition as u32 }).set(depth as i64);
        }
        self.partitions.take(&parts.queue.reports());
        self.dead_letters.set(parts.dead_letters.waiting() as i64);
        self.actors.set(parts.late.states().map_or(0, |states| states.active()) as i64);
        let mut text = String::with_capacity(32 * 1024);
        let mut registered = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registered.add_late(parts);
        encode(&mut text, &registered.registry)?;
        Ok(text)
    }
}

impl Registered {
    fn add_late(&mut self, parts: &Parts) {
        let Self { registry, store, hub } = self;
        if let Some(there) = parts.late.store()
            && !std::mem::replace(store, true)
        {
            let metrics = there.metrics();
            registry.register("fieldwatch_events", "Events stored, by type", metrics.events.clone());
            let help = "From handing a batch to the event store until it is durable";
            registry.register("fieldwatch_store_append_seconds", help, metrics.append_seconds.clone());
        }
        if let Some(side) = parts.late.read_side()
            && !std::mem::replace(hub, true)
        {
            let metrics = side.hub.metrics();
            registry.register("fieldwatch_stream_clients", "Open streams", metrics.clients.clone());
            let help = "Streams that were cut because they were too slow";
            registry.register("fieldwatch_stream_dropped", help, metrics.dropped.clone());
            let help = "From receipt of a reading until its events were handed to the streams";
            registry.register("fieldwatch_reading_to_push_seconds", help, metrics.reading_to_push_seconds.clone());
        }
    }
}

/// How the partitions of a shared queue are; without one nothing is shown.
#[derive(Default)]
struct Partitions {
    ours: Family<PartitionLabel, Gauge>,
    unacknowledged: Family<PartitionLabel, Gauge>,
    redelivered: Family<PartitionLabel, Gauge>,
}

impl Partitions {
    fn register(&self, registry: &mut Registry) {
        let help = "Whether this process owns the partition of the shared queue";
        registry.register("fieldwatch_partition_owned", help, self.ours.clone());
        let help = "Messages of the partition delivered to this process and not yet acknowledged";
        registry.register("fieldwatch_queue_unacknowledged_messages", help, self.unacknowledged.clone());
        let help = "Messages of the partition that came to this process again since it started";
        registry.register("fieldwatch_queue_redelivered_messages", help, self.redelivered.clone());
    }

    fn take(&self, reports: &[PartitionReport]) {
        for report in reports {
            let label = PartitionLabel { partition: u32::from(report.partition) };
            self.ours.get_or_create(&label).set(i64::from(report.is_ours));
            self.unacknowledged.get_or_create(&label).set(report.unacknowledged as i64);
            self.redelivered.get_or_create(&label).set(report.redelivered as i64);
        }
    }
}
