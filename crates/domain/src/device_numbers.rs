//! Device ids as small numbers, one table per process.

use crate::by_shelf::ByShelf;
use crate::device_id::{DeviceId, fnv1a_64};
use hashbrown::HashTable;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Over how many shelves the table is spread, so that its growth never stalls anybody for long.
pub const SHELVES: usize = 64;

/// Bytes of a usual id, to begin with a text that need not grow.
const USUAL_ID: usize = 16;

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

/// Copies of ids, see [`DeviceNumbers::ids`].
#[derive(Clone, Debug)]
pub struct Ids {
    text: String,
    /// Where each begins in `text`, and its length.
    places: Vec<(u32, u32)>,
}

impl Ids {
    /// The id of the device that was the `at`th.
    ///
    /// # Panics
    /// When there were not so many.
    pub fn get(&self, at: usize) -> &str {
        let (start, length) = self.places[at];
        &self.text[start as usize..(start + length) as usize]
    }
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

    /// The numbers of many ids, in their order; the same as [`DeviceNumbers::number`] of each, in that order.
    ///
    /// Goes shelf by shelf: a lock for each shelf and not for each id, and the processor can look up several at a time,
    /// which a lock between them keeps it from.
    pub fn numbers(&self, ids: &[&str]) -> Vec<DeviceNumber> {
        let hashes: Vec<u64> = ids.iter().map(|id| fnv1a_64(id.as_bytes())).collect();
        let mut numbers = vec![DeviceNumber(0); ids.len()];
        let mut unknown = Vec::new();
        ByShelf::of(hashes.iter().map(|hash| shelf_of(*hash))).for_each(|shelf, order| {
            let table = self.read(shelf);
            for at in order.iter().map(|at| *at as usize) {
                match table.find(ids[at], hashes[at]) {
                    Some(place) => numbers[at] = DeviceNumber::at(shelf, place),
                    None => unknown.push(at),
                }
            }
            drop(table);
            for at in unknown.drain(..) {
                numbers[at] = self.number(ids[at]);
            }
        });
        numbers
    }

    /// The ids behind many numbers, as copies; goes shelf by shelf like [`DeviceNumbers::numbers`].
    ///
    /// # Panics
    /// When a number came from another table.
    pub fn ids(&self, devices: &[DeviceNumber]) -> Ids {
        let mut ids = Ids { text: String::with_capacity(devices.len() * USUAL_ID), places: vec![(0, 0); devices.len()] };
        ByShelf::of_devices(devices).for_each(|shelf, order| {
            let table = self.read(shelf);
            for at in order {
                let id = table.id(devices[*at as usize].place());
                let start = u32::try_from(ids.text.len()).expect("a batch of ids stays below 4 GiB");
                ids.places[*at as usize] = (start, id.len() as u32);
                ids.text.push_str(id);
            }
        });
        ids
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn many_at_once_get_the_numbers_that_they_would_get_one_by_one(
            known in proptest::collection::vec(0u32..300, 0..200),
            asked in proptest::collection::vec(0u32..300, 0..400),
        ) {
            let (at_once, one_by_one) = (DeviceNumbers::default(), DeviceNumbers::default());
            for id in known.iter().map(u32::to_string) {
                prop_assert_eq!(at_once.number(&id), one_by_one.number(&id));
            }
            let asked: Vec<String> = asked.iter().map(u32::to_string).collect();
            let numbers = at_once.numbers(&asked.iter().map(String::as_str).collect::<Vec<_>>());
            let expected: Vec<DeviceNumber> = asked.iter().map(|id| one_by_one.number(id)).collect();
            prop_assert_eq!(&numbers, &expected);
            let ids = at_once.ids(&numbers);
            for (at, id) in asked.iter().enumerate() {
                prop_assert_eq!(ids.get(at), id.as_str());
            }
        }
    }

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
