//! What the outside can see of the shards while they run.

use fieldwatch_domain::{DeviceNumber, SHELVES};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// What the outside can see. A shard takes a lock here twice a delivery and once when a device becomes active or
/// passive, never for a reading.
#[derive(Debug)]
pub(crate) struct Visible {
    active: AtomicU64,
    failed: AtomicBool,
    /// One bit a device, by place on its shelf: whether it is active.
    shelves: [Mutex<Vec<u64>>; SHELVES],
    shards: Box<[ShardView]>,
}

#[derive(Debug, Default)]
struct ShardView {
    in_hand: Mutex<Vec<DeviceNumber>>,
    trouble: Mutex<Option<String>>,
}

impl Visible {
    /// Nothing yet of so many shards.
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            active: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            shelves: std::array::from_fn(|_| Mutex::default()),
            shards: (0..shards).map(|_| ShardView::default()).collect(),
        }
    }

    /// Notes whether a device is active in memory.
    pub(crate) fn set_active(&self, device: DeviceNumber, active: bool) {
        let (word, bit) = (device.place() / 64, 1u64 << (device.place() % 64));
        let mut bits = self.shelves[device.shelf()].lock();
        if word >= bits.len() {
            bits.resize(word + 1, 0);
        }
        if (bits[word] & bit != 0) == active {
            return;
        }
        bits[word] ^= bit;
        if active {
            self.active.fetch_add(1, Ordering::Relaxed);
        } else {
            self.active.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Notes that no device of a shelf is active any more.
    pub(crate) fn clear(&self, shelf: usize) {
        let mut bits = self.shelves[shelf].lock();
        let active: u64 = bits.iter().map(|word| u64::from(word.count_ones())).sum();
        *bits = Vec::new();
        self.active.fetch_sub(active, Ordering::Relaxed);
    }

    /// How many devices are active.
    pub(crate) fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// Notes for which devices a shard has entries in hand.
    pub(crate) fn take_in_hand(&self, shard: usize, devices: impl Iterator<Item = DeviceNumber>) {
        self.shards[shard].in_hand.lock().extend(devices);
    }

    /// Notes that a shard has nothing in hand.
    pub(crate) fn nothing_in_hand(&self, shard: usize) {
        self.shards[shard].in_hand.lock().clear();
    }

    /// Says what is wrong with a shard, or that nothing is.
    pub(crate) fn set_trouble(&self, shard: usize, trouble: Option<String>) {
        *self.shards[shard].trouble.lock() = trouble;
    }

    /// Notes that a shard has ended by a failure of its own.
    pub(crate) fn set_failed(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether one has.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// What is wrong, for people.
    pub(crate) fn trouble(&self) -> Option<String> {
        let said: Vec<String> = (self.shards.iter().enumerate())
            .filter_map(|(number, shard)| shard.trouble.lock().as_ref().map(|said| format!("state shard {number}: {said}")))
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// How many entries in hand wait for each device, the most first, filled up with active devices for which none does.
    pub(crate) fn mailboxes(&self, most: usize) -> Vec<(DeviceNumber, u64)> {
        let mut lengths: HashMap<DeviceNumber, u64> = HashMap::new();
        for shard in &self.shards {
            for device in shard.in_hand.lock().iter() {
                *lengths.entry(*device).or_default() += 1;
            }
        }
        let mut mailboxes: Vec<(DeviceNumber, u64)> = lengths.iter().map(|(device, length)| (*device, *length)).collect();
        mailboxes.sort_unstable_by_key(|(device, length)| (std::cmp::Reverse(*length), *device));
        mailboxes.truncate(most);
        for (shelf, bits) in self.shelves.iter().enumerate() {
            if mailboxes.len() >= most {
                break;
            }
            let bits = bits.lock();
            let places = (0..bits.len() * 64).filter(|place| bits[place / 64] >> (place % 64) & 1 == 1);
            let idle = places.map(|place| DeviceNumber::at(shelf, place)).filter(|device| !lengths.contains_key(device));
            let room = most - mailboxes.len();
            mailboxes.extend(idle.take(room).map(|device| (device, 0)));
        }
        mailboxes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mailboxes_come_first_and_active_devices_fill_the_rest() {
        let device = DeviceNumber::from_u32;
        let visible = Visible::new(2);
        for number in [1, 2, 3, 65, 70_000] {
            visible.set_active(device(number), true);
            visible.set_active(device(number), true);
        }
        visible.set_active(device(3), false);
        visible.take_in_hand(0, [2, 65, 65].into_iter().map(device));
        visible.take_in_hand(1, [1, 1, 1].into_iter().map(device));
        assert_eq!(visible.active(), 4);
        assert_eq!(visible.mailboxes(2), [(device(1), 3), (device(65), 2)]);
        assert_eq!(visible.mailboxes(10), [(device(1), 3), (device(65), 2), (device(2), 1), (device(70_000), 0)]);
        visible.nothing_in_hand(1);
        assert_eq!(visible.mailboxes(1), [(device(65), 2)]);
    }

    #[test]
    fn trouble_names_the_shard() {
        let visible = Visible::new(2);
        assert_eq!(visible.trouble(), None);
        visible.set_trouble(1, Some("the store has stopped".into()));
        assert_eq!(visible.trouble().as_deref(), Some("state shard 1: the store has stopped"));
    }
}
