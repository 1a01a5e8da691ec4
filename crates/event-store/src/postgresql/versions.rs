//! At which version each device is, as far as this process knows: 8 bytes a device.

use fieldwatch_domain::{DeviceNumber, SHELVES};
use parking_lot::Mutex;

/// Versions of so many devices are allocated together, so that a growing shelf never moves what it holds.
const CHUNK: usize = 512;

/// The versions of all devices, a lock for each shelf.
pub(super) struct Versions {
    shelves: Box<[Mutex<ShelfVersions>]>,
}

/// The versions of one shelf, by place; each is one more than the version, and 0 where it is not known.
#[derive(Default)]
struct ShelfVersions {
    chunks: Vec<Box<[u64]>>,
    /// Whether devices without a known version are at 0, because all there are were restored.
    whole: bool,
}

impl Default for Versions {
    fn default() -> Self {
        Self { shelves: (0..SHELVES).map(|_| Mutex::default()).collect() }
    }
}

impl Versions {
    /// The version of a device; `None`: the database has to be asked.
    pub(super) fn get(&self, device: DeviceNumber) -> Option<u64> {
        let shelf = self.shelves[device.shelf()].lock();
        let known = shelf.chunks.get(device.place() / CHUNK).map_or(0, |chunk| chunk[device.place() % CHUNK]);
        known.checked_sub(1).or(shelf.whole.then_some(0))
    }

    pub(super) fn set(&self, device: DeviceNumber, version: u64) {
        let mut shelf = self.shelves[device.shelf()].lock();
        let place = device.place();
        while shelf.chunks.len() <= place / CHUNK {
            shelf.chunks.push(vec![0; CHUNK].into_boxed_slice());
        }
        shelf.chunks[place / CHUNK][place % CHUNK] = version + 1;
    }

    /// Says that all devices of a shelf are known now.
    pub(super) fn complete(&self, shelf: usize) {
        self.shelves[shelf].lock().whole = true;
    }

    /// Forgets a shelf: others may have written since.
    pub(super) fn forget(&self, shelf: usize) {
        *self.shelves[shelf].lock() = ShelfVersions::default();
    }
}
