//! A set of devices as one bit for each number.

use fieldwatch_domain::DeviceNumber;

/// A set of devices. Numbers are dense, so a million of them take 125 kB, adding one is a bit, and nothing is there twice.
#[derive(Debug, Default)]
pub(crate) struct DeviceSet {
    words: Vec<u64>,
    len: usize,
    /// Where the next [`DeviceSet::take`] begins, so that small numbers do not always come first.
    from: usize,
}

impl DeviceSet {
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn insert(&mut self, device: DeviceNumber) {
        let (word, bit) = (device.as_u32() as usize / 64, 1 << (device.as_u32() % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.len += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Adds all of another set, which is empty then.
    pub(crate) fn take_all_of(&mut self, other: &mut Self) {
        if other.is_empty() {
            return;
        }
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (own, others) in self.words.iter_mut().zip(&mut other.words) {
            let added = std::mem::take(others);
            self.len += (added & !*own).count_ones() as usize;
            *own |= added;
        }
        other.len = 0;
    }

    /// Removes all that are in another set.
    pub(crate) fn subtract(&mut self, other: &Self) {
        if self.is_empty() || other.is_empty() {
            return;
        }
        for (own, others) in self.words.iter_mut().zip(&other.words) {
            self.len -= (*own & others).count_ones() as usize;
            *own &= !others;
        }
    }

    /// Removes and gives at most so many devices.
    pub(crate) fn take(&mut self, most: usize) -> Vec<DeviceNumber> {
        let mut taken = Vec::with_capacity(most.min(self.len));
        let words = self.words.len();
        for step in 0..words {
            let at = (self.from + step) % words;
            if self.len == 0 || taken.len() >= most {
                self.from = at;
                break;
            }
            while self.words[at] != 0 && taken.len() < most {
                let bit = self.words[at].trailing_zeros();
                self.words[at] &= self.words[at] - 1;
                self.len -= 1;
                taken.push(DeviceNumber::from_u32(at as u32 * 64 + bit));
            }
        }
        taken
    }

    /// Forgets all, and the memory too.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: impl IntoIterator<Item = u32>) -> DeviceSet {
        let mut set = DeviceSet::default();
        numbers.into_iter().for_each(|number| set.insert(DeviceNumber::from_u32(number)));
        set
    }

    fn numbers(mut set: DeviceSet) -> Vec<u32> {
        let taken = set.take(usize::MAX).into_iter().map(DeviceNumber::as_u32).collect();
        assert!(set.is_empty());
        taken
    }

    #[test]
    fn a_device_is_in_it_once() {
        assert_eq!(numbers(set([70, 3, 70, 64, 3])), [3, 64, 70]);
    }

    #[test]
    fn sets_are_added_and_subtracted() {
        let (mut one, mut other) = (set([1, 2, 200]), set([2, 3]));
        one.take_all_of(&mut other);
        assert!(other.is_empty());
        one.subtract(&set([2, 1000]));
        assert_eq!(one.len, 3);
        assert_eq!(numbers(one), [1, 3, 200]);
    }

    #[test]
    fn what_is_taken_in_parts_is_everything_and_nobody_waits_for_ever() {
        let mut all = set(0..200);
        let mut taken = Vec::new();
        while !(1..200).all(|number| taken.contains(&number)) {
            // Small numbers come again and again.
            all.insert(DeviceNumber::from_u32(0));
            taken.extend(all.take(7).into_iter().map(DeviceNumber::as_u32));
            assert!(taken.len() <= 1_000, "high numbers starve: {taken:?}");
        }
    }
}
