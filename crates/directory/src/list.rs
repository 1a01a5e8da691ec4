//! Which devices are asked for, and in which order.

use crate::{Bbox, Cursor, DeviceView, Status};
use fieldwatch_domain::Celsius;

/// A question for devices. Every filter that is given has to hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    /// Only within this box.
    pub bbox: Option<Bbox>,
    /// Only with one of these labels, if any is named.
    pub labels: Vec<String>,
    /// Only with one of these statuses, if any is named.
    pub statuses: Vec<Status>,
    /// Only at least as warm.
    pub min_temperature: Option<Celsius>,
    /// Only at most as warm.
    pub max_temperature: Option<Celsius>,
    /// Only those whose id, name or a label contains this text, whatever the case of its letters.
    pub text: Option<String>,
    /// The order.
    pub sort: Sort,
    /// At most so many.
    pub limit: usize,
    /// Only those after this place in the order.
    pub after: Option<Cursor>,
}

/// An order of devices; equal keys are ordered by id, bytewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// Greatest first.
    pub descending: bool,
}

/// What devices can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The id, bytewise.
    DeviceId,
    /// The current temperature.
    Temperature,
    /// The newest `at`.
    LastSeen,
    /// Receipt of the last reading.
    ReceivedAt,
    /// The version.
    Version,
    /// The name, those without one first.
    Name,
    /// The status: active, idle, silent.
    Status,
}

impl Default for Sort {
    fn default() -> Self {
        Self { key: SortKey::DeviceId, descending: false }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPage {
    /// The devices.
    pub devices: Vec<DeviceView>,
    /// Where the next part begins; `None` when this is the last.
    pub next: Option<Cursor>,
    /// Position of the newest event that is in it.
    pub position: u64,
}
