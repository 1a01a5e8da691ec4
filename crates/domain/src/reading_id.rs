//! How a reading is recognised when it comes again.

use crate::device_id::fnv1a_64;
use std::fmt;
use thiserror::Error;

/// A reading's id: 1 to 64 printable ASCII characters.
///
/// Ids that ingest gives are 16 lowercase hexadecimal digits, and any id of that look is kept as the number it
/// spells, so that the most common ids take eight bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReadingId(Form);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    Number(u64),
    Text(Box<str>),
}

/// Why a text cannot be a reading id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidReadingId {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text has more than 64 characters; the number says how many bytes it has.
    #[error("has {0} bytes, at most 64 are allowed")]
    TooLong(usize),
    /// The text holds something else than printable ASCII (0x20 to 0x7e).
    #[error("must be printable ASCII")]
    NotPrintable,
}

impl ReadingId {
    /// The longest id, in characters.
    pub const MAX_CHARS: usize = 64;

    /// Takes a text as an id.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn new(text: &str) -> Result<Self, InvalidReadingId> {
        if text.is_empty() {
            return Err(InvalidReadingId::Empty);
        }
        if text.len() > Self::MAX_CHARS {
            return Err(InvalidReadingId::TooLong(text.len()));
        }
        if !text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            return Err(InvalidReadingId::NotPrintable);
        }
        Ok(match spelled_number(text) {
            Some(number) => Self(Form::Number(number)),
            None => Self(Form::Text(text.into())),
        })
    }

    /// The id that ingest gives to a reading without one.
    pub const fn given(number: u64) -> Self {
        Self(Form::Number(number))
    }

    /// The number behind an id of 16 lowercase hexadecimal digits.
    pub const fn number(&self) -> Option<u64> {
        match &self.0 {
            Form::Number(number) => Some(*number),
            Form::Text(_) => None,
        }
    }

    /// The text of an id that is not 16 lowercase hexadecimal digits.
    pub fn text(&self) -> Option<&str> {
        match &self.0 {
            Form::Number(_) => None,
            Form::Text(text) => Some(text),
        }
    }

    /// What a device remembers of the id: 64 bits, never 0.
    pub fn fingerprint(&self) -> u64 {
        let hash = match &self.0 {
            // Ids that ingest gives differ in the low bits only; spread them, so that none is taken for a hash of a text.
            Form::Number(number) => mix(*number),
            Form::Text(text) => mix(fnv1a_64(text.as_bytes())),
        };
        hash.max(1)
    }
}

/// A bijection of 64 bits whose every output bit depends on every input bit.
///
/// Source: finaliser of `SplitMix64` (Steele, Lea, Flood, 2014).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn spelled_number(text: &str) -> Option<u64> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex { u64::from_str_radix(text, 16).ok() } else { None }
}

impl fmt::Display for ReadingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Number(number) => write!(f, "{number:016x}"),
            Form::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for ReadingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_shows_as_the_text_it_was_made_from() {
        for text in ["x1", "00000000000000ff", "00000000000000FF", "0123456789abcdef0", "a b~"] {
            assert_eq!(ReadingId::new(text).expect("a valid id").to_string(), text);
        }
        assert_eq!(ReadingId::new("00000000000000ff"), Ok(ReadingId::given(255)));
    }

    #[test]
    fn an_id_is_1_to_64_printable_ascii_characters() {
        assert_eq!(ReadingId::new(""), Err(InvalidReadingId::Empty));
        assert_eq!(ReadingId::new(&"x".repeat(65)), Err(InvalidReadingId::TooLong(65)));
        assert_eq!(ReadingId::new("ü"), Err(InvalidReadingId::NotPrintable));
        assert_eq!(ReadingId::new("a\tb"), Err(InvalidReadingId::NotPrintable));
    }
}
