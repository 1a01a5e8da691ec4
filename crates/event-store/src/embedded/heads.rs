//! Where each device's chain of records begins, and at which version it is: 16 bytes a device.

use fieldwatch_domain::{ByShelf, DeviceNumber, SHELVES};
use parking_lot::Mutex;
use std::hash::{BuildHasherDefault, Hasher};

/// Heads of so many devices are allocated together: 8 KiB, so that a growing shelf never moves what it holds and the unused
/// part of the last chunk stays small on each of the 64 shelves.
const CHUNK: usize = 512;

/// The newest record of a device's chain: events, late readings and passivated states, not observations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Its address; 0: the device has no record.
    pub(super) address: u64,
    /// The version, and in the lowest bit whether there was an observation since the chain last held the whole state.
    packed: u64,
}

impl Head {
    pub(super) fn new(address: u64, version: u64, observed: bool) -> Self {
        Self { address, packed: version << 1 | u64::from(observed) }
    }

    /// The device's version.
    pub(super) fn version(self) -> u64 {
        self.packed >> 1
    }

    /// Whether an observation was stored after the newest record that says everything (passivated, or forgotten). Then the
    /// chain alone does not tell the tracking.
    pub(super) fn observed(self) -> bool {
        self.packed & 1 == 1
    }

    /// Whether both stand at the same record and version.
    pub(super) fn is_at(self, other: Self) -> bool {
        self.address == other.address && self.version() == other.version()
    }
}

/// The heads of all devices, a lock for each shelf.
pub(super) struct Heads {
    shelves: Box<[Mutex<ShelfHeads>]>,
}

impl Default for Heads {
    fn default() -> Self {
        Self { shelves: (0..SHELVES).map(|_| Mutex::default()).collect() }
    }
}

/// The heads of one shelf, by place.
#[derive(Default)]
struct ShelfHeads {
    chunks: Vec<Box<[Head]>>,
}

impl ShelfHeads {
    /// The head of the device at a place; a default one where none was set.
    fn get(&self, place: usize) -> Head {
        self.chunks.get(place / CHUNK).map_or_else(Head::default, |chunk| chunk[place % CHUNK])
    }

    /// The head of the device at a place, to be changed.
    fn get_mut(&mut self, place: usize) -> &mut Head {
        while self.chunks.len() <= place / CHUNK {
            self.chunks.push(vec![Head::default(); CHUNK].into_boxed_slice());
        }
        &mut self.chunks[place / CHUNK][place % CHUNK]
    }
}

impl Heads {
    pub(super) fn get(&self, device: DeviceNumber) -> Head {
        self.shelves[device.shelf()].lock().get(device.place())
    }

    pub(super) fn set(&self, device: DeviceNumber, head: Head) {
        *self.shelves[device.shelf()].lock().get_mut(device.place()) = head;
    }

    /// The heads of many devices, in their order.
    pub(super) fn get_all(&self, devices: &[DeviceNumber]) -> Vec<Head> {
        let mut heads = vec![Head::default(); devices.len()];
        ByShelf::of_devices(devices).for_each(|shelf, order| {
            let shelf = self.shelves[shelf].lock();
            for at in order.iter().map(|at| *at as usize) {
                heads[at] = shelf.get(devices[at].place());
            }
        });
        heads
    }

    /// Notes that an observation of each of these devices was stored.
    pub(super) fn observe(&self, devices: &[DeviceNumber]) {
        ByShelf::of_devices(devices).for_each(|shelf, order| {
            let mut shelf = self.shelves[shelf].lock();
            for at in order {
                shelf.get_mut(devices[*at as usize].place()).packed |= 1;
            }
        });
    }
}

/// Hashes device numbers, which are dense and given by us, so nobody can choose them to collide.
#[derive(Clone, Copy, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map by device.
pub(crate) type ByDevice<T> = std::collections::HashMap<DeviceNumber, T, BuildHasherDefault<NumberHasher>>;
/// A set of devices.
pub(crate) type DeviceSet = std::collections::HashSet<DeviceNumber, BuildHasherDefault<NumberHasher>>;
