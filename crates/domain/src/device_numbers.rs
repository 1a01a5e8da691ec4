//! Device ids as small numbers, one table per process.

use crate::device_id::{DeviceId, fnv1a_64};
use hashbrown::HashTable;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Over how many shelves the table is spread, so that its growth never stalls anybody for long.
pub const SHELVES: usize = 64;

/// A device's number in this process: dense from 0 on each shelf, never used for another device, gone with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber(u32);

impl DeviceNumber {
    /// The number as an integer, for columns and maps.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// A number that came from [`DeviceNumber::as_u32`].
    pub const fn from_u32(number: u32) -> Self {
        Self(number)
    }

    /// On which of the [`SHELVES`] the device stands.
    pub const fn shelf(self) -> usize {
        self.0 as usize % SHELVES
    }

    /// The place on its shelf: 0, 1, 2 …
    pub const fn place(self) -> usize {
        self.0 as usize / SHELVES
    }

    /// The number of a place on a shelf.
    pub const fn at(shelf: usize, place: usize) -> Self {
        Self((place * SHELVES + shelf) as u32)
    }
}

/// Which number each device id has; text only at the edges, numbers inside.
///
/// Holds about 25 bytes a device beyond its id's text. At most 2^26 devices a shelf.
pub struct DeviceNumbers {
    shelves: Box<[RwLock<Shelf>]>,
}

/// The ids on one shelf, by place.
#[derive(Default)]
pub struct Shelf {
    text: String,
    /// Where each id ends in `text`; it starts where the one before ends.
    ends: Vec<u32>,
    places: HashTable<u32>,
}

impl Default for DeviceNumbers {
    fn default() -> Self {
        Self { shelves: (0..SHELVES).map(|_| RwLock::default()).collect() }
    }
}

impl DeviceNumbers {
    /// The number of an id, given now if it has none.
    ///
    /// The id has been checked ([`crate::check_device_id`]); the table keeps any text.
    pub fn number(&self, id: &str) -> DeviceNumber {
        let hash = fnv1a_64(id.as_bytes());
        let shelf = shelf_of(hash);
        if let Some(place) = self.read(shelf).find(id, hash) {
            return DeviceNumber::at(shelf, place);
        }
        let mut table = self.shelves[shelf].write().unwrap_or_else(PoisonError::into_inner);
        let place = table.find(id, hash).unwrap_or_else(|| table.add(id, hash));
        DeviceNumber::at(shelf, place)
    }

    /// The number of an id that has one.
    pub fn find(&self, id: &str) -> Option<DeviceNumber> {
        let hash = fnv1a_64(id.as_bytes());
        let shelf = shelf_of(hash);
        self.read(shelf).find(id, hash).map(|place| DeviceNumber::at(shelf, place))
    }

    /// The id behind a number, as a copy.
    pub fn id(&self, number: DeviceNumber) -> DeviceId {
        self.with_id(number, |text| DeviceId::new(text).expect("only checked ids are numbered"))
    }

    /// Lends the id behind a number.
    ///
    /// # Panics
    /// When the number came from another table.
    pub fn with_id<T>(&self, number: DeviceNumber, use_it: impl FnOnce(&str) -> T) -> T {
        use_it(self.read(number.shelf()).id(number.place()))
    }

    /// One shelf, locked for reading: for walks over many devices.
    pub fn read(&self, shelf: usize) -> RwLockReadGuard<'_, Shelf> {
        // A panic while a shelf was locked cannot leave it half changed: the text is added before its place is.
        self.shelves[shelf].read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many devices have a number.
    pub fn len(&self) -> usize {
        (0..SHELVES).map(|shelf| self.read(shelf).len()).sum()
    }

    /// Whether no device has one yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shelf {
    /// The id at a place.
    ///
    /// # Panics
    /// When no device stands there.
    pub fn id(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.ends[place - 1] as usize };
        &self.text[start..self.ends[place] as usize]
    }

    /// How many devices stand on the shelf.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn find(&self, id: &str, hash: u64) -> Option<usize> {
        self.places.find(spread(hash), |place| self.id(*place as usize) == id).map(|place| *place as usize)
    }

    fn add(&mut self, id: &str, hash: u64) -> usize {
        let place = self.ends.len();
        self.text.push_str(id);
        self.ends.push(u32::try_from(self.text.len()).expect("a shelf of ids stays below 4 GiB"));
        let Self { text, ends, places } = self;
        places.insert_unique(spread(hash), place as u32, |place| {
            let place = *place as usize;
            let start = if place == 0 { 0 } else { ends[place - 1] as usize };
            spread(fnv1a_64(&text.as_bytes()[start..ends[place] as usize]))
        });
        place
    }
}

fn shelf_of(hash: u64) -> usize {
    (hash % SHELVES as u64) as usize
}

/// All ids of a shelf share the low bits of their hash; the table wants bits that differ.
fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_number_and_a_number_its_id() {
        let numbers = DeviceNumbers::default();
        let ids: Vec<String> = (0..10_000).map(|at| format!("device-{at}")).collect();
        let given: Vec<DeviceNumber> = ids.iter().map(|id| numbers.number(id)).collect();
        for (id, number) in ids.iter().zip(&given) {
            assert_eq!(numbers.number(id), *number);
            assert_eq!(numbers.find(id), Some(*number));
            assert_eq!(numbers.id(*number).as_str(), id);
        }
        assert_eq!(numbers.len(), 10_000);
        assert_eq!(numbers.find("device-10000"), None);
    }
}
