//! What a device is and what may happen to it.
//!
//! Pure: no I/O, no clock, no async. A reading and the state of its device go in, events come out
//! ([`Device::record`]); folding those events gives the state ([`Device::apply`]), always and without failing.
//! Time and new ids are arguments.
//!
//! Does not know JSON, files or HTTP: formats live in `fieldwatch-wire`. Start at [`Device`].

mod by_shelf;
mod celsius;
mod description;
mod device;
mod device_id;
mod device_numbers;
mod event;
mod great_circle;
mod location;
mod reading;
mod reading_id;
mod recent_ids;
mod rules;
mod timestamp;
mod tracking;

pub use by_shelf::ByShelf;
pub use celsius::{Celsius, TemperatureOutOfRange};
pub use description::{Change, Description, Edit, InvalidDescription, MAX_LABEL_CHARS, MAX_LABELS, MAX_NAME_CHARS};
pub use device::{Device, Outcome, Presence};
pub use device_id::{DeviceId, InvalidDeviceId, check_device_id, fnv1a_64};
pub use device_numbers::{DeviceNumber, DeviceNumbers, Ids, SHELVES};
pub use event::{DeviceEvent, EventType, LocationChange, RecordedEvent, TemperatureChange};
pub use great_circle::{MEAN_EARTH_RADIUS_KM, distance_km};
pub use location::{InvalidLocation, Location};
pub use reading::Reading;
pub use reading_id::{InvalidReadingId, ReadingId};
pub use recent_ids::{RECENT_IDS, RecentIds};
pub use rules::Rules;
pub use timestamp::Timestamp;
pub use tracking::Tracking;
