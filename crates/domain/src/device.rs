//! A device: its state, what it decides about a reading, and how events change it.

use crate::{
    Celsius, Description, DeviceEvent, Location, LocationChange, Reading, Rules, TemperatureChange, Timestamp, Tracking,
    distance_km,
};

/// A device's state: the fold of its events, and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Device {
    version: u64,
    presence: Presence,
    temperature: Celsius,
    notified_temperature: Celsius,
    location: Location,
    notified_location: Location,
    description: Option<Box<Description>>,
}

/// Whether a device is known, and heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Never heard of, or forgotten since.
    #[default]
    Unknown,
    /// Heard of within the configured time.
    Present,
    /// Nothing was received for the configured time.
    Silent {
        /// When that was recorded.
        since: Timestamp,
    },
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its id is among the device's last ones: it changes nothing.
    Repeated,
    /// Its time is older than the device's newest: kept with the history, current values stay.
    Late {
        /// The reading's time.
        at: Timestamp,
    },
    /// It was taken in its order.
    Taken {
        /// The reading's time.
        at: Timestamp,
    },
}

impl Device {
    /// Decides about a reading: what became of it, and the events it raises, appended to `events` in their order.
    ///
    /// Pure: the same state, tracking, reading and rules give the same answer, always. The caller stores the events,
    /// then folds them with [`Device::apply`] and moves the tracking.
    pub fn record(&self, tracking: &Tracking, reading: &Reading, rules: &Rules, events: &mut Vec<DeviceEvent>) -> Outcome {
        if tracking.recent_ids.contains(reading.id.fingerprint()) {
            return Outcome::Repeated;
        }
        let at = reading.at.unwrap_or_else(|| reading.received_at.max(tracking.newest_at));
        let silent_since = match self.presence {
            Presence::Unknown => {
                events.push(DeviceEvent::Created { temperature: reading.temperature, location: reading.location });
                return Outcome::Taken { at };
            }
            Presence::Present => None,
            Presence::Silent { since } => Some(since),
        };
        if let Some(silent_since) = silent_since {
            events.push(DeviceEvent::IsBack { silent_since });
        }
        if at < tracking.newest_at {
            return Outcome::Late { at };
        }
        events.extend(self.judge_temperature(reading, rules));
        events.extend(self.judge_location(reading, rules));
        Outcome::Taken { at }
    }

    fn judge_temperature(&self, reading: &Reading, rules: &Rules) -> Option<DeviceEvent> {
        if reading.temperature == self.temperature {
            return None;
        }
        let change = TemperatureChange {
            temperature: reading.temperature,
            previous: self.temperature,
            notified: self.notified_temperature,
            location: reading.location,
        };
        Some(if i64::from(change.temperature.difference(change.notified)) <= i64::from(rules.similar_within.steps()) {
            DeviceEvent::SimilarTemperatureTraced(change)
        } else if change.temperature < change.notified {
            DeviceEvent::TemperatureDecreased(change)
        } else {
            DeviceEvent::TemperatureIncreased(change)
        })
    }

    fn judge_location(&self, reading: &Reading, rules: &Rules) -> Option<DeviceEvent> {
        if reading.location == self.location {
            return None;
        }
        let change = LocationChange {
            location: reading.location,
            previous: self.location,
            notified: self.notified_location,
            temperature: reading.temperature,
        };
        Some(if distance_km(change.location, change.notified) < rules.moved_at_least_km {
            DeviceEvent::LocationChangedToAVeryCloseOne(change)
        } else {
            DeviceEvent::LocationChanged(change)
        })
    }

    /// Decides that nothing was received for too long. Raises nothing for a device that is silent or unknown.
    pub fn go_silent(&self, tracking: &Tracking) -> Option<DeviceEvent> {
        match self.presence {
            Presence::Present => Some(DeviceEvent::GoneSilent { last_seen: tracking.newest_at }),
            Presence::Unknown | Presence::Silent { .. } => None,
        }
    }

    /// Decides about a new name and labels. `None` for an unknown device; no event when nothing changes.
    pub fn describe(&self, description: &Description) -> Option<Option<DeviceEvent>> {
        match self.presence {
            Presence::Unknown => None,
            Presence::Present | Presence::Silent { .. } if self.description() == description => Some(None),
            Presence::Present | Presence::Silent { .. } => Some(Some(DeviceEvent::Described(Box::new(description.clone())))),
        }
    }

    /// Decides that the device is to be forgotten. `None` for an unknown device.
    pub fn forget(&self) -> Option<DeviceEvent> {
        match self.presence {
            Presence::Unknown => None,
            Presence::Present | Presence::Silent { .. } => Some(DeviceEvent::Forgotten),
        }
    }

    /// Folds an event into the state. Cannot fail, so replay cannot fail either. `recorded_at` is the event's.
    pub fn apply(&mut self, event: &DeviceEvent, recorded_at: Timestamp) {
        self.version += 1;
        match event {
            DeviceEvent::Created { temperature, location } => {
                *self = Self {
                    version: self.version,
                    presence: Presence::Present,
                    temperature: *temperature,
                    notified_temperature: *temperature,
                    location: *location,
                    notified_location: *location,
                    description: None,
                };
            }
            DeviceEvent::TemperatureIncreased(change) | DeviceEvent::TemperatureDecreased(change) => {
                self.temperature = change.temperature;
                self.notified_temperature = change.temperature;
            }
            DeviceEvent::SimilarTemperatureTraced(change) => self.temperature = change.temperature,
            DeviceEvent::LocationChanged(change) => {
                self.location = change.location;
                self.notified_location = change.location;
            }
            DeviceEvent::LocationChangedToAVeryCloseOne(change) => self.location = change.location,
            DeviceEvent::GoneSilent { .. } => self.presence = Presence::Silent { since: recorded_at },
            DeviceEvent::IsBack { .. } => self.presence = Presence::Present,
            DeviceEvent::Described(description) => self.description = (!description.is_empty()).then(|| description.clone()),
            DeviceEvent::Forgotten => *self = Self { version: self.version, ..Self::default() },
        }
    }

    /// Rebuilds a device from what a snapshot kept of it.
    pub fn from_stored(
        version: u64,
        presence: Presence,
        temperature: Celsius,
        notified_temperature: Celsius,
        location: Location,
        notified_location: Location,
        description: Option<Box<Description>>,
    ) -> Self {
        Self { version, presence, temperature, notified_temperature, location, notified_location, description }
    }

    /// How many events the device has had, over all its lives.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether the device is known, and heard of.
    pub const fn presence(&self) -> Presence {
        self.presence
    }

    /// The current temperature.
    pub const fn temperature(&self) -> Celsius {
        self.temperature
    }

    /// The last temperature that was told as a change.
    pub const fn notified_temperature(&self) -> Celsius {
        self.notified_temperature
    }

    /// The current location.
    pub const fn location(&self) -> Location {
        self.location
    }

    /// The last location that was told as a change.
    pub const fn notified_location(&self) -> Location {
        self.notified_location
    }

    /// Name and labels; empty until somebody edits them.
    pub fn description(&self) -> &Description {
        static NOTHING_SAID: std::sync::LazyLock<Description> = std::sync::LazyLock::new(Description::default);
        self.description.as_deref().unwrap_or(&NOTHING_SAID)
    }
}
