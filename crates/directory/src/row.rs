//! The values of one device, and what an entry of the log does to them.

use crate::{DeviceRow, Status};
use fieldwatch_domain::{Celsius, Description, Device, DeviceEvent, Location, Presence, RecordedEvent, Timestamp};
use fieldwatch_event_store::{DeviceState, Entry};

/// The device is known and was not forgotten.
const PRESENT: u8 = 1;
/// It has gone silent.
const SILENT: u8 = 2;
/// Nothing was received for `devices.idle_after`.
const IDLE: u8 = 4;

/// What is kept of a device; one that is unknown or forgotten keeps its version.
///
/// There is one for every number, so its size is the memory of the directory: 56 bytes, checked below.
#[derive(Debug)]
pub(crate) struct Row {
    /// Boxed, because few devices have one.
    description: Option<Box<Description>>,
    last_seen: Timestamp,
    received_at: Timestamp,
    version: u64,
    temperature: Celsius,
    location: Location,
    late_readings: u32,
    flags: u8,
}

const _: () = assert!(size_of::<Row>() <= 64, "a million devices shall fit into 64 MB");

impl Default for Row {
    fn default() -> Self {
        Self {
            description: None,
            last_seen: Timestamp::MIN,
            received_at: Timestamp::MIN,
            version: 0,
            temperature: Celsius::default(),
            location: Location::default(),
            late_readings: 0,
            flags: 0,
        }
    }
}

impl Row {
    /// Takes a device as a snapshot kept it. Whether it is idle is found by the next look for idle ones.
    pub(crate) fn restore(&mut self, state: &DeviceState) {
        let DeviceState { device, tracking } = state;
        *self = Self {
            description: kept(device),
            last_seen: tracking.newest_at,
            received_at: tracking.received_at,
            version: device.version(),
            temperature: device.temperature(),
            location: device.location(),
            late_readings: tracking.late_readings,
            flags: match device.presence() {
                Presence::Unknown => 0,
                Presence::Present => PRESENT,
                Presence::Silent { .. } => PRESENT | SILENT,
            },
        };
    }

    /// Folds an entry of this device; means the same as [`DeviceState::apply`].
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Event(recorded) => self.apply_event(recorded),
            Entry::Late(late) => {
                self.late_readings = self.late_readings.saturating_add(1);
                self.heard(late.received_at);
            }
            Entry::Observation(seen) => {
                self.last_seen = self.last_seen.max(seen.at);
                self.heard(seen.received_at);
            }
            // It is what the entries before have made of the device.
            Entry::Passivated(_) => {}
        }
    }

    fn apply_event(&mut self, recorded: &RecordedEvent) {
        // Not counted: where what was before a device was forgotten is erased, versions are left out.
        self.version = recorded.version;
        match &recorded.event {
            DeviceEvent::Created { temperature, location } => {
                self.temperature = *temperature;
                self.location = *location;
                self.description = None;
                self.flags = self.flags & IDLE | PRESENT;
            }
            DeviceEvent::TemperatureIncreased(change)
            | DeviceEvent::TemperatureDecreased(change)
            | DeviceEvent::SimilarTemperatureTraced(change) => self.temperature = change.temperature,
            DeviceEvent::LocationChanged(change) | DeviceEvent::LocationChangedToAVeryCloseOne(change) => {
                self.location = change.location;
            }
            DeviceEvent::GoneSilent { .. } => self.flags |= PRESENT | SILENT,
            DeviceEvent::IsBack { .. } => self.flags = (self.flags | PRESENT) & !SILENT,
            DeviceEvent::Described(description) => {
                self.description = (!description.is_empty()).then(|| description.clone());
            }
            DeviceEvent::Forgotten => {
                *self = Self { version: self.version, ..Self::default() };
                return;
            }
        }
        if recorded.reading_id.is_some() {
            self.last_seen = self.last_seen.max(recorded.at);
            self.heard(recorded.received_at);
        }
    }

    fn heard(&mut self, received_at: Timestamp) {
        self.received_at = self.received_at.max(received_at);
        self.flags &= !IDLE;
    }

    /// Whether the device is to be marked idle, when nothing received after `since` counts as idle.
    pub(crate) fn is_due(&self, since: Timestamp) -> bool {
        self.flags & (PRESENT | IDLE) == PRESENT && self.received_at <= since
    }

    /// Marks it idle.
    pub(crate) fn mark_idle(&mut self) {
        self.flags |= IDLE;
    }

    /// Whether it is heard of; `None` for one that is not shown.
    pub(crate) fn status(&self) -> Option<Status> {
        if self.flags & PRESENT == 0 {
            None
        } else if self.flags & SILENT != 0 {
            Some(Status::Silent)
        } else if self.flags & IDLE != 0 {
            Some(Status::Idle)
        } else {
            Some(Status::Active)
        }
    }

    /// Its values; `None` for one that is not shown.
    pub(crate) fn values(&self) -> Option<DeviceRow> {
        Some(DeviceRow {
            temperature: self.temperature,
            location: self.location,
            last_seen: self.last_seen,
            received_at: self.received_at,
            version: self.version,
            late_readings: self.late_readings,
            status: self.status()?,
        })
    }

    /// Name and labels, if anything was ever said.
    pub(crate) fn description(&self) -> Option<&Description> {
        self.description.as_deref()
    }
}

fn kept(device: &Device) -> Option<Box<Description>> {
    let description = device.description();
    (!description.is_empty()).then(|| Box::new(description.clone()))
}
