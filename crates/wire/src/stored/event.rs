//! An event's record.

use super::Link;
use crate::damaged::Damaged;
use crate::queued::StoredReadingId;
use fieldwatch_domain::{
    Celsius, Description, DeviceEvent, DeviceNumber, Location, LocationChange, ReadingId, RecordedEvent, TemperatureChange,
    Timestamp,
};
use serde::{Deserialize, Serialize};

/// An event, read from its record.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent<'a> {
    /// The record of this device before it.
    pub prev: Link,
    /// Whose event it is.
    pub device_id: &'a str,
    /// 1, 2, 3 … within the device.
    pub version: u64,
    /// The time of the reading that caused it, or of its recording.
    pub at: Timestamp,
    /// When it was decided.
    pub recorded_at: Timestamp,
    /// When the reading was received.
    pub received_at: Timestamp,
    /// The reading that caused it.
    pub reading_id: Option<ReadingId>,
    /// What happened.
    pub event: DeviceEvent,
}

impl StoredEvent<'_> {
    /// The event with its device's number and its position.
    pub fn recorded(self, device: DeviceNumber, position: u64) -> RecordedEvent {
        RecordedEvent {
            device,
            version: self.version,
            position,
            at: self.at,
            recorded_at: self.recorded_at,
            received_at: self.received_at,
            reading_id: self.reading_id,
            event: self.event,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct EventBody<'a> {
    pub(super) prev: u64,
    pub(super) device_id: &'a str,
    pub(super) version: u64,
    pub(super) recorded_at: i64,
    /// `at` before `recorded_at`, and receipt before it, in milliseconds: small for live readings.
    pub(super) at_before: i64,
    pub(super) received_before: i64,
    pub(super) reading_id: Option<StoredReadingId<'a>>,
    #[serde(borrow)]
    pub(super) what: What<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum What<'a> {
    Created { temperature: i32, location: (i32, i32) },
    TemperatureIncreased(StoredTemperatureChange),
    TemperatureDecreased(StoredTemperatureChange),
    SimilarTemperatureTraced(StoredTemperatureChange),
    LocationChanged(StoredLocationChange),
    LocationChangedToAVeryCloseOne(StoredLocationChange),
    GoneSilent { last_seen: i64 },
    IsBack { silent_since: i64 },
    Described(#[serde(borrow)] StoredDescription<'a>),
    Forgotten,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredTemperatureChange {
    pub(super) temperature: i32,
    /// Differences to `temperature`.
    pub(super) previous: i32,
    pub(super) notified: i32,
    pub(super) location: (i32, i32),
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredLocationChange {
    pub(super) location: (i32, i32),
    /// Differences to `location`, wrapping.
    pub(super) previous: (i32, i32),
    pub(super) notified: (i32, i32),
    pub(super) temperature: i32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredDescription<'a> {
    name: Option<&'a str>,
    labels: Vec<&'a str>,
}

impl<'a> StoredDescription<'a> {
    pub(super) fn of(description: &'a Description) -> Self {
        Self { name: description.name(), labels: description.labels().iter().map(AsRef::as_ref).collect() }
    }

    pub(super) fn restore(self) -> Result<Box<Description>, Damaged> {
        let labels: Vec<String> = self.labels.into_iter().map(Into::into).collect();
        Description::new(self.name, &labels).map(Box::new).map_err(|_| Damaged("description"))
    }
}

fn pair(location: Location) -> (i32, i32) {
    (location.latitude(), location.longitude())
}

fn offset(from: Location, to: Location) -> (i32, i32) {
    (to.latitude().wrapping_sub(from.latitude()), to.longitude().wrapping_sub(from.longitude()))
}

fn place((latitude, longitude): (i32, i32)) -> Location {
    Location::from_stored(latitude, longitude)
}

fn place_at(from: (i32, i32), offset: (i32, i32)) -> Location {
    Location::from_stored(from.0.wrapping_add(offset.0), from.1.wrapping_add(offset.1))
}

impl From<&TemperatureChange> for StoredTemperatureChange {
    fn from(change: &TemperatureChange) -> Self {
        let temperature = change.temperature.steps();
        Self {
            temperature,
            previous: change.previous.steps().wrapping_sub(temperature),
            notified: change.notified.steps().wrapping_sub(temperature),
            location: pair(change.location),
        }
    }
}

impl StoredTemperatureChange {
    fn restore(&self) -> TemperatureChange {
        TemperatureChange {
            temperature: Celsius::from_stored(self.temperature),
            previous: Celsius::from_stored(self.temperature.wrapping_add(self.previous)),
            notified: Celsius::from_stored(self.temperature.wrapping_add(self.notified)),
            location: place(self.location),
        }
    }
}

impl From<&LocationChange> for StoredLocationChange {
    fn from(change: &LocationChange) -> Self {
        Self {
            location: pair(change.location),
            previous: offset(change.location, change.previous),
            notified: offset(change.location, change.notified),
            temperature: change.temperature.steps(),
        }
    }
}

impl StoredLocationChange {
    fn restore(&self) -> LocationChange {
        LocationChange {
            location: place(self.location),
            previous: place_at(self.location, self.previous),
            notified: place_at(self.location, self.notified),
            temperature: Celsius::from_stored(self.temperature),
        }
    }
}

impl<'a> EventBody<'a> {
    pub(super) fn of(prev: Link, device_id: &'a str, recorded: &'a RecordedEvent) -> Self {
        let recorded_at = recorded.recorded_at.unix_ms();
        Self {
            prev: prev.encode(),
            device_id,
            version: recorded.version,
            recorded_at,
            at_before: recorded_at.wrapping_sub(recorded.at.unix_ms()),
            received_before: recorded_at.wrapping_sub(recorded.received_at.unix_ms()),
            reading_id: recorded.reading_id.as_ref().map(StoredReadingId::of),
            what: What::of(&recorded.event),
        }
    }

    pub(super) fn restore(self) -> Result<StoredEvent<'a>, Damaged> {
        Ok(StoredEvent {
            prev: Link::decode(self.prev),
            device_id: self.device_id,
            version: self.version,
            at: Timestamp::from_unix_ms(self.recorded_at.wrapping_sub(self.at_before)),
            recorded_at: Timestamp::from_unix_ms(self.recorded_at),
            received_at: Timestamp::from_unix_ms(self.recorded_at.wrapping_sub(self.received_before)),
            reading_id: self.reading_id.map(StoredReadingId::restore).transpose()?,
            event: self.what.restore()?,
        })
    }
}

impl<'a> What<'a> {
    fn of(event: &'a DeviceEvent) -> Self {
        match event {
            DeviceEvent::Created { temperature, location } => {
                Self::Created { temperature: temperature.steps(), location: pair(*location) }
            }
            DeviceEvent::TemperatureIncreased(change) => Self::TemperatureIncreased(change.into()),
            DeviceEvent::TemperatureDecreased(change) => Self::TemperatureDecreased(change.into()),
            DeviceEvent::SimilarTemperatureTraced(change) => Self::SimilarTemperatureTraced(change.into()),
            DeviceEvent::LocationChanged(change) => Self::LocationChanged(change.into()),
            DeviceEvent::LocationChangedToAVeryCloseOne(change) => Self::LocationChangedToAVeryCloseOne(change.into()),
            DeviceEvent::GoneSilent { last_seen } => Self::GoneSilent { last_seen: last_seen.unix_ms() },
            DeviceEvent::IsBack { silent_since } => Self::IsBack { silent_since: silent_since.unix_ms() },
            DeviceEvent::Described(description) => Self::Described(StoredDescription::of(description)),
            DeviceEvent::Forgotten => Self::Forgotten,
        }
    }

    fn restore(self) -> Result<DeviceEvent, Damaged> {
        Ok(match self {
            Self::Created { temperature, location } => {
                DeviceEvent::Created { temperature: Celsius::from_stored(temperature), location: place(location) }
            }
            Self::TemperatureIncreased(change) => DeviceEvent::TemperatureIncreased(change.restore()),
            Self::TemperatureDecreased(change) => DeviceEvent::TemperatureDecreased(change.restore()),
            Self::SimilarTemperatureTraced(change) => DeviceEvent::SimilarTemperatureTraced(change.restore()),
            Self::LocationChanged(change) => DeviceEvent::LocationChanged(change.restore()),
            Self::LocationChangedToAVeryCloseOne(change) => DeviceEvent::LocationChangedToAVeryCloseOne(change.restore()),
            Self::GoneSilent { last_seen } => DeviceEvent::GoneSilent { last_seen: Timestamp::from_unix_ms(last_seen) },
            Self::IsBack { silent_since } => DeviceEvent::IsBack { silent_since: Timestamp::from_unix_ms(silent_since) },
            Self::Described(description) => DeviceEvent::Described(description.restore()?),
            Self::Forgotten => DeviceEvent::Forgotten,
        })
    }
}
