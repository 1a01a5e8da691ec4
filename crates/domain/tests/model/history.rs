//! What the contract says must happen next, worked out from all that happened before.

use super::distance::vector_distance_km;
use fieldwatch_domain::{Location, distance_km};
use rust_decimal::Decimal;

/// A temperature in °C, exactly.
pub(crate) type Degrees = Decimal;

/// Something that happened to a device.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A reading that was not late.
    Taken { temperature: Degrees, location: Location, at: i64, id: String },
    /// A late one.
    Late { id: String },
    /// Silence was recorded.
    WentSilent { recorded_at: i64 },
    /// Somebody edited the name.
    Described { name: Option<String> },
    /// Somebody asked to forget it.
    Forgotten,
}

/// An event as the contract tells it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Created { temperature: Degrees, location: Location },
    Temperature { change: Change, temperature: Degrees, previous: Degrees, notified: Degrees, location: Location },
    Location { is_close: bool, location: Location, previous: Location, notified: Location, temperature: Degrees },
    Silent { last_seen: i64 },
    Back { silent_since: i64 },
    Described { name: Option<String> },
    Forgotten,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Similar,
    Decreased,
    Increased,
}

/// What becomes of a reading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    Repeated,
    Late { at: i64 },
    Taken { at: i64 },
}

/// Everything that ever happened to a device, over all its lives.
pub(crate) struct History {
    pub(crate) similar_within: Decimal,
    pub(crate) moved_at_least_km: f64,
    pub(crate) facts: Vec<Fact>,
}

impl History {
    /// What must become of a reading, and the events it must raise.
    pub(crate) fn reading(
        &self,
        temperature: Degrees,
        location: Location,
        at: Option<i64>,
        received_at: i64,
        id: &str,
    ) -> (Fate, Vec<Told>) {
        if self.last_16_ids().any(|known| known == id) {
            return (Fate::Repeated, vec![]);
        }
        let newest_at = self.newest_at();
        let at = at.unwrap_or_else(|| newest_at.map_or(received_at, |newest| newest.max(received_at)));
        let Some((current_temperature, current_location)) = self.current() else {
            return (Fate::Taken { at }, vec![Told::Created { temperature, location }]);
        };
        let mut told = Vec::new();
        told.extend(self.silent_since().map(|silent_since| Told::Back { silent_since }));
        if newest_at.is_some_and(|newest| at < newest) {
            return (Fate::Late { at }, told);
        }
        if temperature != current_temperature {
            let notified = self.notified_temperature();
            let change = if (temperature - notified).abs() <= self.similar_within {
                Change::Similar
            } else if temperature < notified {
                Change::Decreased
            } else {
                Change::Increased
            };
            told.push(Told::Temperature { change, temperature, previous: current_temperature, notified, location });
        }
        if location != current_location {
            let notified = self.notified_location();
            let is_close = self.is_close(location, notified);
            told.push(Told::Location { is_close, location, previous: current_location, notified, temperature });
        }
        (Fate::Taken { at }, told)
    }

    /// The event that a time of silence must raise.
    pub(crate) fn silence(&self) -> Option<Told> {
        let is_silent = self.current().is_none() || self.silent_since().is_some();
        if is_silent { None } else { self.newest_at().map(|last_seen| Told::Silent { last_seen }) }
    }

    /// Whether the device is known now.
    pub(crate) fn is_known(&self) -> bool {
        self.current().is_some()
    }

    pub(crate) fn current(&self) -> Option<(Degrees, Location)> {
        self.taken().last()
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.this_life().iter().rev().find_map(|fact| match fact {
            Fact::Described { name } => Some(name.as_deref()),
            _ => None,
        })?
    }

    pub(crate) fn late_readings(&self) -> usize {
        self.this_life().iter().filter(|fact| matches!(fact, Fact::Late { .. })).count()
    }

    pub(crate) fn newest_at(&self) -> Option<i64> {
        self.this_life()
            .iter()
            .filter_map(|fact| match fact {
                Fact::Taken { at, .. } => Some(*at),
                _ => None,
            })
            .max()
    }

    /// When silence was recorded, if nothing came since.
    pub(crate) fn silent_since(&self) -> Option<i64> {
        self.this_life().iter().rev().find_map(|fact| match fact {
            Fact::WentSilent { recorded_at } => Some(Some(*recorded_at)),
            Fact::Taken { .. } | Fact::Late { .. } => Some(None),
            _ => None,
        })?
    }

    pub(crate) fn last_16_ids(&self) -> impl Iterator<Item = &str> {
        self.this_life()
            .iter()
            .rev()
            .filter_map(|fact| match fact {
                Fact::Taken { id, .. } | Fact::Late { id } => Some(id.as_str()),
                _ => None,
            })
            .take(16)
    }

    /// Of the temperatures since the first, each one that was further than the threshold from the one notified before.
    pub(crate) fn notified_temperature(&self) -> Degrees {
        self.taken()
            .map(|(temperature, _)| temperature)
            .reduce(|notified, next| if (next - notified).abs() > self.similar_within { next } else { notified })
            .expect("a known device has a first reading")
    }

    pub(crate) fn notified_location(&self) -> Location {
        self.taken()
            .map(|(_, location)| location)
            .reduce(|notified, next| if next == notified || self.is_close(next, notified) { notified } else { next })
            .expect("a known device has a first reading")
    }

    /// Nearer than the minimum. Where the distance is the minimum but for rounding, the domain's own has the say.
    fn is_close(&self, one: Location, other: Location) -> bool {
        let distance = vector_distance_km(one, other);
        if (distance - self.moved_at_least_km).abs() < 1e-9 {
            return distance_km(one, other) < self.moved_at_least_km;
        }
        distance < self.moved_at_least_km
    }

    fn taken(&self) -> impl Iterator<Item = (Degrees, Location)> {
        self.this_life().iter().filter_map(|fact| match fact {
            Fact::Taken { temperature, location, .. } => Some((*temperature, *location)),
            _ => None,
        })
    }

    fn this_life(&self) -> &[Fact] {
        let begins = self.facts.iter().rposition(|fact| matches!(fact, Fact::Forgotten)).map_or(0, |end| end + 1);
        &self.facts[begins..]
    }
}
