//! Many things put in the order of their shelves.

use crate::{DeviceNumber, SHELVES};

/// Which of many things stand on which shelf, those of one shelf in their order.
///
/// What keeps something of each device keeps it by shelf, a lock for each. To go through many devices shelf by shelf takes
/// each lock once, and finds together in the caches what lies together.
#[derive(Debug)]
pub struct ByShelf {
    order: Vec<u32>,
    /// Where each shelf ends in `order`; it starts where the one before ends.
    ends: [u32; SHELVES],
}

impl ByShelf {
    /// Sorts by counting: passes twice over the shelves of the things.
    pub fn of(shelves: impl ExactSizeIterator<Item = usize> + Clone) -> Self {
        let mut ends = [0; SHELVES];
        for shelf in shelves.clone() {
            ends[shelf] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            (*end, sum) = (sum, sum + *end);
        }
        // Now each is where its shelf starts, and moves on to its end.
        let mut order = vec![0; shelves.len()];
        for (at, shelf) in shelves.enumerate() {
            order[ends[shelf] as usize] = at as u32;
            ends[shelf] += 1;
        }
        Self { order, ends }
    }

    /// The same of devices.
    pub fn of_devices(devices: &[DeviceNumber]) -> Self {
        Self::of(devices.iter().map(|device| device.shelf()))
    }

    /// Shows each shelf on which something stands, and what does.
    pub fn for_each(&self, mut show: impl FnMut(usize, &[u32])) {
        let mut start = 0;
        for (shelf, end) in self.ends.into_iter().map(|end| end as usize).enumerate() {
            if start < end {
                show(shelf, &self.order[start..end]);
            }
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_thing_is_shown_once_and_those_of_a_shelf_keep_their_order(shelves in proptest::collection::vec(0..SHELVES, 0..300)) {
            let mut shown = Vec::new();
            ByShelf::of(shelves.iter().copied()).for_each(|shelf, order| {
                shown.extend(order.iter().map(|at| (shelf, *at as usize)));
            });
            let mut expected: Vec<(usize, usize)> = shelves.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            prop_assert_eq!(shown, expected);
        }
    }
}
