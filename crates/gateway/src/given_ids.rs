//! Ids for readings that come without one.

use fieldwatch_domain::ReadingId;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives ids: never the same twice in this process, and as unlikely to meet one of another process as random numbers are.
pub(crate) struct GivenIds {
    next: AtomicU64,
    /// Differs for each start.
    key: u64,
}

impl GivenIds {
    pub(crate) fn new() -> Self {
        // Two numbers from the system's randomness, by way of the keys that the standard library takes from there.
        Self { next: AtomicU64::new(RandomState::new().hash_one(0)), key: RandomState::new().hash_one(1) }
    }

    /// The first of `count` ids that belong together; see [`GivenIds::id`].
    pub(crate) fn reserve(&self, count: u64) -> u64 {
        self.next.fetch_add(count, Ordering::Relaxed)
    }

    /// The id behind a reserved number: a bijection, so that numbers which differ give ids which differ.
    pub(crate) fn id(&self, number: u64) -> ReadingId {
        let mut bits = number ^ self.key;
        // Finaliser of SplitMix64 (Steele, Lea, Flood, 2014).
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ReadingId::given(bits ^ (bits >> 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_id_is_given_twice_and_two_starts_give_others() {
        let (first, second) = (GivenIds::new(), GivenIds::new());
        let mut seen = HashSet::new();
        for ids in [&first, &second] {
            for _ in 0..1_000 {
                let begin = ids.reserve(10);
                seen.extend((begin..begin + 10).filter_map(|number| ids.id(number).number()));
            }
        }
        assert_eq!(seen.len(), 20_000);
    }
}
