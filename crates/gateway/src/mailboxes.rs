//! `device_state_actor_mailbox_length`: how much waits for each device, under the name the original gave it.
//!
//! A family of gauges would keep a series for every device that was ever busy, and clearing it would show scrapes half a
//! sample. So the newest sample is kept as a whole, and written when it is asked for.

use crate::Parts;
use fieldwatch_domain::DeviceNumber;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::{MetricType, gauge::ConstGauge};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The one mailbox before all devices: the queue.
const MANAGER: &str = "DeviceManagerActor";
const DEVICE: &str = "DeviceActor";

/// The newest sample of all mailboxes.
pub(crate) struct Mailboxes {
    parts: Arc<Parts>,
    sample: Mutex<Sample>,
}

#[derive(Default)]
struct Sample {
    waiting: u64,
    devices: Vec<(DeviceNumber, u64)>,
}

impl Mailboxes {
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        Self { parts, sample: Mutex::default() }
    }

    /// Takes a new sample.
    pub(crate) fn sample(&self) {
        if self.parts.mailbox_interval.is_none() {
            return;
        }
        // The manager's mailbox is a series too.
        let devices = self
            .parts
            .late
            .states()
            .map_or_else(Vec::new, |states| states.mailboxes(self.parts.max_mailbox_series.saturating_sub(1)));
        let waiting = self.parts.queue.depths().iter().sum();
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Sample { waiting, devices };
    }
}

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailboxes")
    }
}

impl Collector for Mailboxes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if self.parts.mailbox_interval.is_none() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(
            "device_state_actor_mailbox_length",
            "Readings and commands that wait for a device, or in the queue for all of them",
            None,
            MetricType::Gauge,
        )?;
        let sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = [("id", MANAGER), ("actortype", MANAGER)];
        ConstGauge::new(sample.waiting as i64).encode(family.encode_family(&labels)?)?;
        for (device, waiting) in &sample.devices {
            self.parts.numbers.with_id(*device, |id| {
                let labels = [("id", id), ("actortype", DEVICE)];
                ConstGauge::new(*waiting as i64).encode(family.encode_family(&labels)?)
            })?;
        }
        Ok(())
    }
}
