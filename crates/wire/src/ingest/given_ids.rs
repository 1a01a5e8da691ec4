//! Ids for readings that come without one.

use fieldwatch_domain::{ReadingId, fnv1a_64};
use thiserror::Error;

/// An `Idempotency-Key`, from which the ids of a request's readings derive: the same request sent again is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    hash: u64,
}

/// The `Idempotency-Key` is empty, longer than 255 characters, or not printable ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Idempotency-Key must have 1 to {} printable ASCII characters", IdempotencyKey::MAX_CHARS)]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// The longest key, in characters.
    pub const MAX_CHARS: usize = 255;

    /// Takes the header's value as it stands, quotes included.
    ///
    /// # Errors
    /// When it is empty, too long, or not printable ASCII.
    pub fn new(header: &[u8]) -> Result<Self, InvalidIdempotencyKey> {
        let is_allowed = (1..=Self::MAX_CHARS).contains(&header.len()) && header.iter().all(|byte| (0x20..=0x7e).contains(byte));
        if is_allowed { Ok(Self { hash: fnv1a_64(header) }) } else { Err(InvalidIdempotencyKey) }
    }

    /// The id of the reading at this place of the request, from 0.
    ///
    /// The `index`-th number of the `SplitMix64` sequence that begins at the FNV-1a hash of the key: within one request no
    /// two ids are equal, and those of two requests are as unlikely to meet as random 64-bit numbers. It must never change,
    /// for a request may be repeated after an update.
    pub fn reading_id(self, index: usize) -> ReadingId {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.hash.wrapping_add(STEP.wrapping_mul(index as u64 + 1));
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
    fn a_key_is_1_to_255_printable_ascii_characters() {
        assert!(IdempotencyKey::new(b"8e03978e-40d5-43dd-bc93-6894a57f9324").is_ok());
        assert!(IdempotencyKey::new(&[b'~'; 255]).is_ok());
        for bad in [&b""[..], &[b'x'; 256], b"a\tb", "schl\u{fc}ssel".as_bytes(), b"\x7f"] {
            assert_eq!(IdempotencyKey::new(bad), Err(InvalidIdempotencyKey));
        }
    }

    #[test]
    fn the_same_request_gives_the_same_ids_in_every_version() {
        let key = IdempotencyKey::new(b"batch-1").expect("a key");
        let ids: Vec<String> = (0..3).map(|index| key.reading_id(index).to_string()).collect();
        assert_eq!(ids, ["b24f6cf9d736ddb3", "3f6af4a72628c6eb", "25a8836a776460ae"]);
    }

    #[test]
    fn ids_differ_within_a_request_and_between_requests() {
        let keys = ["a", "b", "batch-1", "batch-2"].map(|key| IdempotencyKey::new(key.as_bytes()).expect("a key"));
        let ids: HashSet<u64> = keys.iter().flat_map(|key| (0..50_000).map(|index| key.reading_id(index).fingerprint())).collect();
        assert_eq!(ids.len(), 4 * 50_000);
    }
}
