//! A reading as the API takes it:
//! `{"deviceId":"AL-0012","temperature":48.5,"lat":38.5698,"lon":45.6974,"at":"2026-01-01T00:00:00.000Z","readingId":"x1"}`,
//! or with `"location":{"lat":38.5698,"lon":45.6974}` in place of `lat` and `lon`.
//!
//! Names are exact; others and repeated ones are refused. All bad fields are told, each once, unknown names first.

use super::field::{self, Numbers};
use super::json::{Cursor, Kind, Malformed, Value};
use super::known_names;
use super::refusal::{Reason, Rejections};
use super::{Accepted, Limits};
use fieldwatch_domain::{Location, Reading, ReadingId, Timestamp};
use std::borrow::Cow;

/// So many unknown names of one reading are told one by one.
const UNKNOWN_NAMES_TOLD: u32 = 8;
/// So much of an unknown name is told.
const UNKNOWN_NAME_CHARS: usize = 64;

/// A member of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    DeviceId,
    Temperature,
    Lat,
    Lon,
    Location,
    LocationLat,
    LocationLon,
    At,
    ReadingId,
}

impl Member {
    const COUNT: usize = 9;
    const OF_READING: &'static [&'static str] = &["deviceId", "temperature", "lat", "lon", "location", "at", "readingId"];
    const OF_LOCATION: &'static [&'static str] = &["lat", "lon"];

    fn of_reading(name: &str) -> Option<Self> {
        Some(match name {
            "deviceId" => Self::DeviceId,
            "temperature" => Self::Temperature,
            "lat" => Self::Lat,
            "lon" => Self::Lon,
            "location" => Self::Location,
            "at" => Self::At,
            "readingId" => Self::ReadingId,
            _ => return None,
        })
    }

    fn of_location(name: &str) -> Option<Self> {
        match name {
            "lat" => Some(Self::LocationLat),
            "lon" => Some(Self::LocationLon),
            _ => None,
        }
    }

    const fn field(self) -> &'static str {
        match self {
            Self::DeviceId => "deviceId",
            Self::Temperature => "temperature",
            Self::Lat => "lat",
            Self::Lon => "lon",
            Self::Location => "location",
            Self::LocationLat => "location.lat",
            Self::LocationLon => "location.lon",
            Self::At => "at",
            Self::ReadingId => "readingId",
        }
    }
}

/// Takes the value at the cursor as the reading of that index. `None` when it is bad; then its fields are among the
/// rejections.
pub(super) fn take<'a>(
    cursor: &mut Cursor<'a>,
    index: usize,
    limits: &Limits,
    now: Timestamp,
    new_id: &mut dyn FnMut(usize) -> ReadingId,
    rejections: &mut Rejections,
) -> Result<Option<Accepted<'a>>, Malformed> {
    let kind = cursor.kind()?;
    if kind != Kind::Object {
        cursor.skip_value()?;
        rejections.add(index, "", Reason::WrongType { wanted: "an object", found: kind });
        return Ok(None);
    }
    let mut draft = Draft { values: [const { None }; Member::COUNT], seen: 0, repeated: 0, unknown: 0, index, rejections };
    cursor.object(|cursor, name| match Member::of_reading(&name) {
        Some(Member::Location) => draft.take_location(cursor),
        Some(member) => draft.take(member, cursor),
        None => draft.skip_unknown(cursor, "", &name, Member::OF_READING),
    })?;
    Ok(draft.judge(limits, now, new_id))
}

/// The members of one reading, as far as they were seen.
struct Draft<'a, 'r> {
    values: [Option<Value<'a>>; Member::COUNT],
    /// Bit n: the n-th member was seen; `repeated` likewise.
    seen: u16,
    repeated: u16,
    unknown: u32,
    index: usize,
    rejections: &'r mut Rejections,
}

impl<'a> Draft<'a, '_> {
    fn take(&mut self, member: Member, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        self.note(member);
        self.values[member as usize] = Some(cursor.value()?);
        Ok(())
    }

    fn take_location(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        if cursor.kind()? != Kind::Object {
            return self.take(Member::Location, cursor);
        }
        self.note(Member::Location);
        cursor.object(|cursor, name| match Member::of_location(&name) {
            Some(member) => self.take(member, cursor),
            None => self.skip_unknown(cursor, "location.", &name, Member::OF_LOCATION),
        })
    }

    fn note(&mut self, member: Member) {
        let bit = 1 << member as u16;
        self.repeated |= self.seen & bit;
        self.seen |= bit;
    }

    fn has_seen(&self, member: Member) -> bool {
        self.seen >> member as u16 & 1 == 1
    }

    fn skip_unknown(
        &mut self,
        cursor: &mut Cursor<'a>,
        within: &str,
        name: &str,
        known: &'static [&'static str],
    ) -> Result<(), Malformed> {
        cursor.skip_value()?;
        if !self.rejections.have_room(self.index) {
            return Ok(());
        }
        let told: String = within.chars().chain(name.chars().take(UNKNOWN_NAME_CHARS)).collect();
        if self.rejections.name(self.index, &told) {
            return Ok(());
        }
        self.unknown += 1;
        if self.unknown <= UNKNOWN_NAMES_TOLD {
            self.rejections.add(self.index, told, Reason::Unknown { meant: known_names::meant(name, known), known });
        } else if self.unknown == UNKNOWN_NAMES_TOLD + 1 {
            self.rejections.add(self.index, "", Reason::MoreUnknown);
        }
        Ok(())
    }

    fn judge(&mut self, limits: &Limits, now: Timestamp, new_id: &mut dyn FnMut(usize) -> ReadingId) -> Option<Accepted<'a>> {
        let device_id = self.wanted(Member::DeviceId, field::device_id);
        let temperature = self.wanted(Member::Temperature, |value| field::temperature(&value, Numbers::Plain, limits));
        let location = self.location();
        let at = self.optional(Member::At, |value| field::at(&value, limits, now));
        let id = self.optional(Member::ReadingId, |value| field::reading_id(&value));
        if self.rejections.concern(self.index) {
            return None;
        }
        let id = id.unwrap_or_else(|| new_id(self.index));
        let reading = Reading { temperature: temperature?, location: location?, at, received_at: now, id };
        Some(Accepted { device_id: device_id?, reading })
    }

    fn location(&mut self) -> Option<Location> {
        if self.has_seen(Member::Location) {
            if self.has_seen(Member::Lat) || self.has_seen(Member::Lon) {
                self.reject(Member::Location, Reason::PlaceRepeated);
                self.optional(Member::Lat, |value| field::latitude(&value, Numbers::Plain));
                self.optional(Member::Lon, |value| field::longitude(&value, Numbers::Plain));
                return None;
            }
            let wrong_type = |value: Value<'_>| Err::<(), _>(Reason::WrongType { wanted: "an object", found: value.kind() });
            if self.is_repeated(Member::Location) || self.values[Member::Location as usize].is_some() {
                self.optional(Member::Location, wrong_type);
                return None;
            }
            return self.place(Member::LocationLat, Member::LocationLon);
        }
        self.place(Member::Lat, Member::Lon)
    }

    fn place(&mut self, latitude: Member, longitude: Member) -> Option<Location> {
        let latitude = self.wanted(latitude, |value| field::latitude(&value, Numbers::Plain));
        let longitude = self.wanted(longitude, |value| field::longitude(&value, Numbers::Plain));
        Some(Location::from_stored(latitude?, longitude?))
    }

    fn wanted<T>(&mut self, member: Member, check: impl FnOnce(Value<'a>) -> Result<T, Reason>) -> Option<T> {
        if !self.has_seen(member) {
            self.reject(member, Reason::Missing);
        }
        self.optional(member, check)
    }

    fn optional<T>(&mut self, member: Member, check: impl FnOnce(Value<'a>) -> Result<T, Reason>) -> Option<T> {
        if self.is_repeated(member) {
            self.reject(member, Reason::Repeated);
            return None;
        }
        match check(self.values[member as usize].take()?) {
            Ok(checked) => Some(checked),
            Err(reason) => {
                self.reject(member, reason);
                None
            }
        }
    }

    fn is_repeated(&self, member: Member) -> bool {
        self.repeated >> member as u16 & 1 == 1
    }

    #[cold]
    fn reject(&mut self, member: Member, reason: Reason) {
        self.rejections.add(self.index, Cow::Borrowed(member.field()), reason);
    }
}
