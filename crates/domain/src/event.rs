//! What has happened to a device.

use crate::{Celsius, Description, DeviceNumber, Location, ReadingId, Timestamp};

/// Something that happened to a device, as a fact that is never changed.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceEvent {
    /// The first reading of an unknown device.
    Created {
        /// The first temperature.
        temperature: Celsius,
        /// The first location.
        location: Location,
    },
    /// More than the threshold above the last notified temperature.
    TemperatureIncreased(TemperatureChange),
    /// More than the threshold below the last notified temperature.
    TemperatureDecreased(TemperatureChange),
    /// Another temperature, within the threshold of the last notified one.
    SimilarTemperatureTraced(TemperatureChange),
    /// At least the minimum distance from the last notified location.
    LocationChanged(LocationChange),
    /// Another location, nearer than the minimum distance to the last notified one.
    LocationChangedToAVeryCloseOne(LocationChange),
    /// Nothing was received for the configured time.
    GoneSilent {
        /// The newest time of a reading before.
        last_seen: Timestamp,
    },
    /// A reading was received after silence.
    IsBack {
        /// When silence was recorded.
        silent_since: Timestamp,
    },
    /// Somebody edited name or labels.
    Described(Box<Description>),
    /// Somebody asked to forget the device; versions go on.
    Forgotten,
}

/// The values of a temperature event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemperatureChange {
    /// The reading's temperature.
    pub temperature: Celsius,
    /// The current temperature before.
    pub previous: Celsius,
    /// The last notified temperature before.
    pub notified: Celsius,
    /// The reading's location.
    pub location: Location,
}

/// The values of a location event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocationChange {
    /// The reading's location.
    pub location: Location,
    /// The current location before.
    pub previous: Location,
    /// The last notified location before.
    pub notified: Location,
    /// The reading's temperature.
    pub temperature: Celsius,
}

/// The type of an event, under the name by which everybody outside knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is explained at the variant of DeviceEvent that it names")]
pub enum EventType {
    Created,
    TemperatureIncreased,
    TemperatureDecreased,
    SimilarTemperatureTraced,
    LocationChanged,
    LocationChangedToAVeryCloseOne,
    GoneSilent,
    IsBack,
    Described,
    Forgotten,
}

impl EventType {
    /// Every type, in the order of the contract.
    pub const ALL: [Self; 10] = [
        Self::Created,
        Self::TemperatureIncreased,
        Self::TemperatureDecreased,
        Self::SimilarTemperatureTraced,
        Self::LocationChanged,
        Self::LocationChangedToAVeryCloseOne,
        Self::GoneSilent,
        Self::IsBack,
        Self::Described,
        Self::Forgotten,
    ];

    /// The name in every format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "DeviceHasBeenCreated",
            Self::TemperatureIncreased => "DeviceTemperatureHasIncreased",
            Self::TemperatureDecreased => "DeviceTemperatureHasDecreased",
            Self::SimilarTemperatureTraced => "SimilarDeviceTemperatureWasTraced",
            Self::LocationChanged => "DeviceLocationHasChanged",
            Self::LocationChangedToAVeryCloseOne => "DeviceLocationHasChangedToAVeryCloseLocation",
            Self::GoneSilent => "DeviceHasGoneSilent",
            Self::IsBack => "DeviceIsBack",
            Self::Described => "DeviceHasBeenDescribed",
            Self::Forgotten => "DeviceHasBeenForgotten",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event_type| event_type.name() == name)
    }
}

impl DeviceEvent {
    /// The type of the event.
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::Created { .. } => EventType::Created,
            Self::TemperatureIncreased(_) => EventType::TemperatureIncreased,
            Self::TemperatureDecreased(_) => EventType::TemperatureDecreased,
            Self::SimilarTemperatureTraced(_) => EventType::SimilarTemperatureTraced,
            Self::LocationChanged(_) => EventType::LocationChanged,
            Self::LocationChangedToAVeryCloseOne(_) => EventType::LocationChangedToAVeryCloseOne,
            Self::GoneSilent { .. } => EventType::GoneSilent,
            Self::IsBack { .. } => EventType::IsBack,
            Self::Described(_) => EventType::Described,
            Self::Forgotten => EventType::Forgotten,
        }
    }

    /// The values of the reading that raised the event, where it carries them.
    pub const fn measured(&self) -> Option<(Celsius, Location)> {
        match self {
            Self::Created { temperature, location } => Some((*temperature, *location)),
            Self::TemperatureIncreased(change) | Self::TemperatureDecreased(change) | Self::SimilarTemperatureTraced(change) => {
                Some((change.temperature, change.location))
            }
            Self::LocationChanged(change) | Self::LocationChangedToAVeryCloseOne(change) => {
                Some((change.temperature, change.location))
            }
            Self::GoneSilent { .. } | Self::IsBack { .. } | Self::Described(_) | Self::Forgotten => None,
        }
    }
}

/// An event with its place in history.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent {
    /// Whose event it is.
    pub device: DeviceNumber,
    /// 1, 2, 3 … within the device, no gap.
    pub version: u64,
    /// The place in the event log: growing, at most 2^53 − 1.
    pub position: u64,
    /// The time of the reading that caused it, or of its recording.
    pub at: Timestamp,
    /// When it was decided.
    pub recorded_at: Timestamp,
    /// When the reading that caused it was received; the recording's time for the others.
    pub received_at: Timestamp,
    /// The reading that caused it.
    pub reading_id: Option<ReadingId>,
    /// What happened.
    pub event: DeviceEvent,
}
