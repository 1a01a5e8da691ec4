//! One tick: what has changed, with its values, read and written once for all streams of frames.

use crate::{columns::write_values, noted::Changed};
use fieldwatch_directory::{DeviceRow, Directory};
use fieldwatch_domain::DeviceNumber;
use std::sync::OnceLock;

/// What has changed, with its values.
pub(crate) struct Tick {
    /// 1, 2, 3 …
    pub(crate) number: u64,
    /// Every event up to here is in the values.
    pub(crate) position: u64,
    /// Devices that are there.
    pub(crate) present: Vec<DeviceNumber>,
    /// Their values.
    pub(crate) rows: Vec<DeviceRow>,
    /// Devices that are not there any more.
    pub(crate) absent: Vec<DeviceNumber>,
    values: OnceLock<String>,
}

impl Tick {
    /// Reads the values of what has changed.
    pub(crate) fn read(changed: Changed, directory: &Directory) -> Self {
        let mut tick = Self {
            number: changed.tick,
            position: changed.position,
            present: Vec::with_capacity(changed.devices.len()),
            rows: Vec::with_capacity(changed.devices.len()),
            absent: Vec::new(),
            values: OnceLock::new(),
        };
        for device in changed.devices {
            match directory.row(device) {
                Some(row) => {
                    tick.present.push(device);
                    tick.rows.push(row);
                }
                None => tick.absent.push(device),
            }
        }
        tick
    }

    /// The columns of all values, written by the first stream that wants them.
    pub(crate) fn values(&self) -> &str {
        self.values.get_or_init(|| write_values(&self.rows))
    }
}
