//! Reading the events beside a running server, in another process.

use super::{
    LOG_KIND, events_dir, feed,
    heads::ByDevice,
    open_error,
    records::{read_error, records, told},
};
use crate::{EventsPage, OpenError, ReadError};
use fieldwatch_domain::{DeviceEvent, DeviceNumber, DeviceNumbers, EventType};
use fieldwatch_segment_log::LogReader;
use fieldwatch_wire::stored::Record;
use std::{path::Path, sync::Arc};

/// Reads the events of a store that another process may be writing. Takes no lock and writes nothing.
///
/// Opening reads the whole log once, to know which devices were forgotten: of those nothing from before is given.
pub struct EventLogReader {
    log: LogReader,
    numbers: Arc<DeviceNumbers>,
    /// Position of each device's last `DeviceHasBeenForgotten`.
    forgotten: ByDevice<u64>,
    looked_through: u64,
}

impl EventLogReader {
    /// Opens the store in `dir`, the folder of [`EmbeddedOptions::dir`](crate::EmbeddedOptions). Blocks.
    ///
    /// # Errors
    /// When there is no store, or it is damaged.
    pub fn open(dir: impl AsRef<Path>, numbers: Arc<DeviceNumbers>) -> Result<Self, OpenError> {
        let log = LogReader::open_read_only(events_dir(dir.as_ref()), LOG_KIND).map_err(|error| open_error(&error))?;
        let mut reader = Self { log, numbers, forgotten: ByDevice::default(), looked_through: 0 };
        reader.look_for_forgotten()?;
        Ok(reader)
    }

    /// Looks for what was stored and removed since. Blocks.
    ///
    /// # Errors
    /// When the store is damaged or gone.
    pub fn refresh(&mut self) -> Result<(), OpenError> {
        self.log.refresh().map_err(|error| open_error(&error))?;
        self.look_for_forgotten()
    }

    /// Names the log for its whole life.
    pub fn log_id(&self) -> String {
        self.log.log_id().to_string()
    }

    /// The events after position `after` (0: from the oldest that is kept), in the order of the log, at most `limit`, of
    /// one device or of all. Blocks.
    ///
    /// # Errors
    /// As [`EventStore::read_all`](crate::EventStore::read_all).
    pub fn events_after(&self, after: u64, limit: usize, device: Option<DeviceNumber>) -> Result<EventsPage, ReadError> {
        let shown = |of: DeviceNumber, position: u64, event: EventType| {
            let told = event == EventType::Forgotten || self.forgotten.get(&of).is_none_or(|forgotten| position >= *forgotten);
            told && device.is_none_or(|device| device == of)
        };
        feed::events_after(&self.log, &self.numbers, after, limit, &shown)
    }

    fn look_for_forgotten(&mut self) -> Result<(), OpenError> {
        let mut frames = self.log.frames_from(self.looked_through);
        while let Some(frame) = frames.next_frame().map_err(|error| OpenError::Failed(told(&read_error(&error))))? {
            for (address, record) in records(frame.payload, frame.address_of_payload) {
                let record = record.map_err(|damaged| OpenError::Damaged(format!("at position {address}: {damaged}")))?;
                if let Record::Event(event) = record
                    && matches!(event.event, DeviceEvent::Forgotten)
                {
                    self.forgotten.insert(self.numbers.number(event.device_id), address);
                }
            }
        }
        self.looked_through = frames.position();
        Ok(())
    }
}
