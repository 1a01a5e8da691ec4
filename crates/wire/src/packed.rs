//! Numbers as postcard packs them, many in one go.
//!
//! A number is cut into pieces of seven bits, the lowest first, and every byte but the last has its highest bit set;
//! negative numbers take turns with the positive ones before. What is written and read for each reading goes this way
//! instead of through serde, which takes several times as long; tests hold it to the very bytes of postcard.

/// The highest bit of each byte of a word.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The most bytes of a number.
pub(crate) const MOST: usize = 10;

/// Numbers that are written together: room for so many bytes.
pub(crate) struct Packed<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Packed<ROOM> {
    /// Begins with these bytes.
    pub(crate) fn after<const N: usize>(first: [u8; N]) -> Self {
        let mut bytes = [0; ROOM];
        bytes[..N].copy_from_slice(&first);
        Self { bytes, len: N }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    #[inline]
    pub(crate) fn signed(&mut self, number: i64) {
        self.unsigned((number << 1 ^ number >> 63) as u64);
    }

    #[inline]
    pub(crate) fn unsigned(&mut self, number: u64) {
        let pieces = (70 - (number | 1).leading_zeros() as usize) / 7;
        let goes_on = if pieces > 8 { HIGH } else { HIGH & ((1 << (8 * pieces - 8)) - 1) };
        let bytes = (spread(number) | goes_on).to_le_bytes();
        self.bytes[self.len..self.len + 8].copy_from_slice(&bytes);
        if pieces > 8 {
            let last = (number >> 56) as u8;
            self.bytes[self.len + 8] = last;
            // Of the tenth byte only the lowest bit is left.
            self.bytes[self.len + 9] = last >> 7;
        }
        self.len += pieces;
    }
}

/// What is read of packed numbers and texts. Answers `None` at whatever is not packed as [`Packed`] does; whether that is
/// damage, postcard has to say.
pub(crate) struct Unpacking<'a> {
    rest: &'a [u8],
}

impl<'a> Unpacking<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.unsigned()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    pub(crate) fn small(&mut self) -> Option<i32> {
        i32::try_from(self.signed()?).ok()
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let bits = self.unsigned()?;
        Some((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let Some(word) = self.rest.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
            return self.piece_by_piece();
        };
        let ends = !word & HIGH;
        if ends == 0 {
            return self.piece_by_piece();
        }
        let bits = ends.trailing_zeros() + 1;
        self.rest = &self.rest[bits as usize / 8..];
        Some(gather(word & (u64::MAX >> (64 - bits))))
    }

    fn piece_by_piece(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..MOST {
            let byte = self.byte()?;
            // The tenth byte has room for one bit, and none may follow it.
            if place == MOST - 1 && byte > 1 {
                return None;
            }
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// The lowest 56 bits, seven to a byte: halves, quarters and eighths move apart.
fn spread(number: u64) -> u64 {
    let halves = (number & 0x0000_0000_0fff_ffff) | (number & 0x00ff_ffff_f000_0000) << 4;
    let quarters = (halves & 0x0000_3fff_0000_3fff) | (halves & 0x0fff_c000_0fff_c000) << 2;
    (quarters & 0x007f_007f_007f_007f) | (quarters & 0x3f80_3f80_3f80_3f80) << 1
}

/// The lowest seven bits of each byte in a row: what [`spread`] has moved apart.
fn gather(word: u64) -> u64 {
    let quarters = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let halves = (quarters & 0x0000_3fff_0000_3fff) | (quarters & 0x3fff_0000_3fff_0000) >> 2;
    (halves & 0x0fff_ffff) | (halves & 0x0fff_ffff_0000_0000) >> 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers of every length alike.
    fn any_length() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64).prop_map(|(bits, shift)| bits >> shift)
    }

    fn check(number: u64) {
        let mut packed = Packed::<{ 3 * MOST }>::after([]);
        packed.unsigned(number);
        packed.signed(number as i64);
        packed.signed(i64::from(number as i32));
        let postcard = postcard::to_allocvec(&(number, number as i64, number as i32)).expect("a vector takes it");
        assert_eq!(packed.as_slice(), postcard);
        let mut unpacking = Unpacking::new(&postcard);
        let read = (unpacking.unsigned(), unpacking.signed(), unpacking.small());
        assert_eq!(read, (Some(number), Some(number as i64), Some(number as i32)));
        assert!(unpacking.rest.is_empty());
    }

    #[test]
    fn a_number_at_a_border_of_lengths_is_packed_as_postcard_does() {
        for bits in 0..64 {
            for number in [1u64 << bits, (1 << bits) - 1, u64::MAX >> bits, u64::MAX << bits] {
                check(number);
            }
        }
    }

    proptest! {
        #[test]
        fn any_number_is_packed_as_postcard_does(number in any_length()) {
            check(number);
        }

        #[test]
        fn what_is_unpacked_postcard_unpacks_too(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80u8..], 0..14)) {
            if let Some(number) = Unpacking::new(&bytes).unsigned() {
                prop_assert_eq!(postcard::from_bytes(&bytes), Ok(number));
            }
            if let Some(number) = Unpacking::new(&bytes).signed() {
                prop_assert_eq!(postcard::from_bytes(&bytes), Ok(number));
            }
            if let Some(text) = Unpacking::new(&bytes).text() {
                prop_assert_eq!(postcard::from_bytes(&bytes), Ok(text));
            }
        }
    }
}
