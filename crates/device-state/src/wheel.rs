//! When to look at a device again, for all devices of a shard.

use fieldwatch_domain::DeviceNumber;

/// How many buckets lie ahead. What is due beyond the last of them waits there and is looked at early, which costs a look.
const BUCKETS: u32 = 512;
/// Into how many buckets the shortest delay is cut: a device is looked at late by at most this part of it.
const BUCKETS_OF_SHORTEST: u32 = 256;

/// A ring of buckets, each with the devices to be looked at in the same stretch of time. Takes four bytes a device.
///
/// A reading does not touch it: whoever is told that a device is due looks at its last receipt, and arms it again when
/// that has moved on. So a device that reports often costs one look in each of its delays.
#[derive(Debug)]
pub(crate) struct Wheel {
    buckets: Box<[Vec<DeviceNumber>]>,
    /// How many ticks a bucket covers.
    width: u32,
    /// The first bucket that may hold anything, counted from the first tick on.
    next: u32,
    len: usize,
}

impl Wheel {
    /// For delays of which `shortest` ticks is the shortest.
    pub(crate) fn new(shortest: u32) -> Self {
        let width = (shortest / BUCKETS_OF_SHORTEST).max(1);
        Self { buckets: (0..BUCKETS).map(|_| Vec::new()).collect(), width, next: 0, len: 0 }
    }

    /// Has a device looked at once the tick `due` has begun, or earlier when that is far ahead.
    pub(crate) fn arm(&mut self, device: DeviceNumber, due: u32) {
        let bucket = due.div_ceil(self.width).clamp(self.next, self.next.saturating_add(BUCKETS - 1));
        self.buckets[(bucket % BUCKETS) as usize].push(device);
        self.len += 1;
    }

    /// Takes out devices that are due at the tick `now`, at most `most`.
    pub(crate) fn take_due(&mut self, now: u32, most: usize, due: &mut Vec<DeviceNumber>) {
        let last = now / self.width;
        while self.next <= last && due.len() < most {
            if self.len == 0 {
                self.next = last;
                return;
            }
            let bucket = &mut self.buckets[(self.next % BUCKETS) as usize];
            let taken = bucket.len().min(most - due.len());
            due.extend(bucket.drain(bucket.len() - taken..));
            self.len -= taken;
            if !bucket.is_empty() {
                return;
            }
            // Its memory goes back: the next time around it may hold far fewer.
            *bucket = Vec::new();
            if self.next == last {
                // The bucket that is due now may get more in this same tick.
                return;
            }
            self.next += 1;
        }
    }

    /// Forgets the devices that are not to be kept.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(DeviceNumber) -> bool) {
        for bucket in &mut self.buckets {
            let before = bucket.len();
            bucket.retain(|device| keep(*device));
            self.len -= before - bucket.len();
        }
    }

    /// The tick at which the next device is due.
    pub(crate) fn next_due(&self) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        (self.next..self.next.saturating_add(BUCKETS))
            .find(|bucket| !self.buckets[(bucket % BUCKETS) as usize].is_empty())
            .map(|bucket| bucket.saturating_mul(self.width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_device_comes_once_and_never_early_unless_it_is_beyond_the_ring(
            shortest in 1u32..20_000,
            armed in proptest::collection::vec((0u32..40_000, 0u32..500), 1..200),
        ) {
            let mut wheel = Wheel::new(shortest);
            let width = wheel.width;
            let mut now = 0;
            let mut expected = std::collections::BTreeMap::new();
            let take = |wheel: &mut Wheel, now: u32, expected: &mut std::collections::BTreeMap<_, (u32, u32)>| {
                let mut due = Vec::new();
                wheel.take_due(now, usize::MAX, &mut due);
                for device in due {
                    let (armed_at, wanted) = expected.remove(&device).expect("each comes once");
                    prop_assert!(now >= wanted || wanted - armed_at >= (BUCKETS - 2) * width);
                }
                Ok(())
            };
            for (at, (delay, pause)) in armed.iter().enumerate() {
                now += pause;
                let device = DeviceNumber::from_u32(at as u32);
                take(&mut wheel, now, &mut expected)?;
                wheel.arm(device, now + delay);
                expected.insert(device, (now, now + delay));
            }
            while let Some(next) = wheel.next_due() {
                now = now.max(next);
                take(&mut wheel, now, &mut expected)?;
            }
            prop_assert!(expected.is_empty());
        }
    }

    #[test]
    fn a_fleet_that_is_due_at_once_comes_in_parts() {
        let mut wheel = Wheel::new(100);
        for number in 0..10 {
            wheel.arm(DeviceNumber::from_u32(number), 100);
        }
        let mut parts = Vec::new();
        while wheel.next_due().is_some() {
            let mut due = Vec::new();
            wheel.take_due(1_000_000, 4, &mut due);
            parts.push(due.len());
        }
        assert_eq!(parts, [4, 4, 2]);
    }

    #[test]
    fn a_device_is_late_by_at_most_one_bucket() {
        let mut wheel = Wheel::new(2_560);
        wheel.arm(DeviceNumber::from_u32(1), 1_001);
        assert_eq!(wheel.next_due(), Some(1_010));
        let mut due = Vec::new();
        wheel.take_due(1_009, 10, &mut due);
        assert!(due.is_empty());
        wheel.take_due(1_010, 10, &mut due);
        assert_eq!(due, [DeviceNumber::from_u32(1)]);
        assert_eq!(wheel.next_due(), None);
    }
}
