//! What is shown of a device.

use fieldwatch_domain::{Celsius, Description, DeviceId, Location, Timestamp};

/// Whether a device is heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Something was received within the configured time.
    Active,
    /// Nothing was received for `devices.idle_after`.
    Idle,
    /// It has gone silent.
    Silent,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Idle, Self::Silent];

    /// The word of the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Silent => "silent",
        }
    }

    /// The number in the stream's frames.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// A device as the API shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceView {
    /// Its id.
    pub id: DeviceId,
    /// Name and labels.
    pub description: Description,
    /// Its values.
    pub row: DeviceRow,
}

/// The values of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceRow {
    /// The current temperature.
    pub temperature: Celsius,
    /// The current location.
    pub location: Location,
    /// The newest `at` of its readings.
    pub last_seen: Timestamp,
    /// When the last reading was received.
    pub received_at: Timestamp,
    /// Its version.
    pub version: u64,
    /// How many readings came late.
    pub late_readings: u32,
    /// Whether it is heard of.
    pub status: Status,
}

/// A box of coordinates; one whose west is greater than its east crosses the antimeridian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bbox {
    /// Western edge in steps of 0.0000001°, included, as all edges are.
    pub west: i32,
    /// Southern edge.
    pub south: i32,
    /// Eastern edge.
    pub east: i32,
    /// Northern edge.
    pub north: i32,
}

impl Bbox {
    /// Whether a place lies within, edges included.
    pub const fn contains(&self, place: Location) -> bool {
        let (latitude, longitude) = (place.latitude(), place.longitude());
        let in_longitude = if self.west <= self.east {
            longitude >= self.west && longitude <= self.east
        } else {
            longitude >= self.west || longitude <= self.east
        };
        in_longitude && latitude >= self.south && latitude <= self.north
    }
}

/// How many devices have which status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Active ones.
    pub active: u64,
    /// Idle ones.
    pub idle: u64,
    /// Silent ones.
    pub silent: u64,
}
