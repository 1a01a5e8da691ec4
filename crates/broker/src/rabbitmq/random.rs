//! Numbers that nobody else has.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

/// 64 random bits, of the randomness that the standard library's hash maps are seeded with.
pub(super) fn bits() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(0);
    hasher.finish()
}
