//! The event log as these commands read it.

use std::sync::Arc;

use anyhow::Context as _;
use fieldwatch_domain::{DeviceNumber, DeviceNumbers, RecordedEvent};
use fieldwatch_event_store::EventLogReader;

use crate::data_folder::DataFolder;

/// An event, and the id of its device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) device_id: &'a str,
    pub(super) event: &'a RecordedEvent,
}

/// What is read.
pub(super) trait EventLog {
    /// Position of the newest event that is there now.
    fn newest(&mut self) -> anyhow::Result<u64>;

    /// Looks what has come since, and shows all events after a position, in the order of the log. Gives the position to go on
    /// after.
    fn read(&mut self, after: u64, show: &mut dyn FnMut(Found<'_>) -> anyhow::Result<()>) -> anyhow::Result<u64>;
}

/// How many events are in memory at a time.
const PAGE: usize = 4_096;

/// The log in a data folder; of one device, if one is named.
pub(super) struct StoredLog {
    reader: EventLogReader,
    numbers: Arc<DeviceNumbers>,
    device: Option<DeviceNumber>,
}

impl StoredLog {
    pub(super) fn open(folder: &DataFolder, device: Option<&str>) -> anyhow::Result<Self> {
        let dir = folder.store();
        let numbers = Arc::new(DeviceNumbers::default());
        let reader = EventLogReader::open(&dir, Arc::clone(&numbers))
            .with_context(|| format!("cannot read the event log in {}", dir.display()))?;
        let device = device.map(|id| numbers.number(id));
        Ok(Self { reader, numbers, device })
    }
}

impl EventLog for StoredLog {
    fn newest(&mut self) -> anyhow::Result<u64> {
        self.read(0, &mut |_| Ok(()))
    }

    fn read(&mut self, mut after: u64, show: &mut dyn FnMut(Found<'_>) -> anyhow::Result<()>) -> anyhow::Result<u64> {
        self.reader.refresh()?;
        loop {
            let page = self.reader.events_after(after, PAGE, self.device)?;
            for event in &page.events {
                self.numbers.with_id(event.device, |device_id| show(Found { device_id, event }))?;
            }
            after = page.next;
            if page.at_end {
                return Ok(after);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod fake {
    use fieldwatch_domain::{Celsius, DeviceEvent, DeviceNumber, Location, Timestamp};

    use super::*;

    /// A log in memory.
    pub(in super::super) struct FakeLog {
        pub(in super::super) events: Vec<(&'static str, RecordedEvent)>,
    }

    /// The creation of a device.
    pub(in super::super) fn created(id: &'static str, version: u64, position: u64) -> (&'static str, RecordedEvent) {
        let event = DeviceEvent::Created { temperature: Celsius::default(), location: Location::default() };
        let (device, time) = (DeviceNumber::from_u32(0), Timestamp::EPOCH);
        (id, RecordedEvent { device, version, position, at: time, recorded_at: time, received_at: time, reading_id: None, event })
    }

    impl EventLog for FakeLog {
        fn newest(&mut self) -> anyhow::Result<u64> {
            Ok(self.events.last().map_or(0, |(_, event)| event.position))
        }

        fn read(&mut self, after: u64, show: &mut dyn FnMut(Found<'_>) -> anyhow::Result<()>) -> anyhow::Result<u64> {
            for (device_id, event) in self.events.iter().filter(|(_, event)| event.position > after) {
                show(Found { device_id, event })?;
            }
            Ok(self.newest()?.max(after))
        }
    }
}
