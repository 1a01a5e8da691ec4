//! A device's whole state in one record.

use super::Link;
use super::event::StoredDescription;
use crate::damaged::Damaged;
use fieldwatch_domain::{Celsius, Device, Location, Presence, RecentIds, Timestamp, Tracking};
use serde::{Deserialize, Serialize};

/// A device's state and tracking, and where its history goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceSnapshot<'a> {
    /// The record of this device before the snapshot.
    pub prev: Link,
    /// Whose state it is.
    pub device_id: &'a str,
    /// The fold of its events.
    pub device: Device,
    /// What its readings left besides.
    pub tracking: Tracking,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SnapshotBody<'a> {
    prev: u64,
    device_id: &'a str,
    version: u64,
    presence: StoredPresence,
    temperature: i32,
    notified_temperature: i32,
    location: (i32, i32),
    notified_location: (i32, i32),
    #[serde(borrow)]
    description: Option<StoredDescription<'a>>,
    newest_at: i64,
    received_at: i64,
    late_readings: u32,
    /// Fingerprints of eight bytes each, little-endian, oldest first.
    recent_ids: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum StoredPresence {
    Unknown,
    Present,
    Silent { since: i64 },
}

impl<'a> SnapshotBody<'a> {
    pub(super) fn of(snapshot: &'a DeviceSnapshot<'a>) -> Self {
        let (device, tracking) = (&snapshot.device, &snapshot.tracking);
        let description = device.description();
        Self {
            prev: snapshot.prev.encode(),
            device_id: snapshot.device_id,
            version: device.version(),
            presence: match device.presence() {
                Presence::Unknown => StoredPresence::Unknown,
                Presence::Present => StoredPresence::Present,
                Presence::Silent { since } => StoredPresence::Silent { since: since.unix_ms() },
            },
            temperature: device.temperature().steps(),
            notified_temperature: device.notified_temperature().steps(),
            location: (device.location().latitude(), device.location().longitude()),
            notified_location: (device.notified_location().latitude(), device.notified_location().longitude()),
            description: (!description.is_empty()).then(|| StoredDescription::of(description)),
            newest_at: tracking.newest_at.unix_ms(),
            received_at: tracking.received_at.unix_ms(),
            late_readings: tracking.late_readings,
            recent_ids: tracking.recent_ids.oldest_first().flat_map(u64::to_le_bytes).collect(),
        }
    }

    pub(super) fn restore(self) -> Result<DeviceSnapshot<'a>, Damaged> {
        let presence = match self.presence {
            StoredPresence::Unknown => Presence::Unknown,
            StoredPresence::Present => Presence::Present,
            StoredPresence::Silent { since } => Presence::Silent { since: Timestamp::from_unix_ms(since) },
        };
        let device = Device::from_stored(
            self.version,
            presence,
            Celsius::from_stored(self.temperature),
            Celsius::from_stored(self.notified_temperature),
            Location::from_stored(self.location.0, self.location.1),
            Location::from_stored(self.notified_location.0, self.notified_location.1),
            self.description.map(StoredDescription::restore).transpose()?,
        );
        let fingerprints =
            self.recent_ids.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
        let tracking = Tracking {
            newest_at: Timestamp::from_unix_ms(self.newest_at),
            received_at: Timestamp::from_unix_ms(self.received_at),
            late_readings: self.late_readings,
            recent_ids: fingerprints.collect::<RecentIds>(),
        };
        Ok(DeviceSnapshot { prev: Link::decode(self.prev), device_id: self.device_id, device, tracking })
    }
}
