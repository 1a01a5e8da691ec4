//! The names that devices go by.

use std::fmt;
use thiserror::Error;

/// A device's id: 1 to 128 bytes of UTF-8 without control characters, compared bytewise; `.` and `..` are refused,
/// because tools would take them as steps in a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(Box<str>);

/// Why a text cannot be a device id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidDeviceId {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text has more than 128 bytes; the number says how many.
    #[error("has {0} bytes, at most 128 are allowed")]
    TooLong(usize),
    /// The text holds a control character (Unicode category Cc).
    #[error("must not contain control characters")]
    ControlCharacter,
    /// The text is `.` or `..`.
    #[error("must not be '.' or '..'")]
    PathStep,
}

/// Whether a text can be a device id, without taking a copy.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_device_id(text: &str) -> Result<(), InvalidDeviceId> {
    if text.is_empty() {
        return Err(InvalidDeviceId::Empty);
    }
    if text.len() > DeviceId::MAX_BYTES {
        return Err(InvalidDeviceId::TooLong(text.len()));
    }
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) || (!text.is_ascii() && text.chars().any(char::is_control)) {
        return Err(InvalidDeviceId::ControlCharacter);
    }
    if text == "." || text == ".." {
        return Err(InvalidDeviceId::PathStep);
    }
    Ok(())
}

impl DeviceId {
    /// The longest id, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 128;

    /// Takes a text as an id.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn new(text: &str) -> Result<Self, InvalidDeviceId> {
        check_device_id(text)?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for DeviceId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// FNV-1a with 64 bits, of which a device's partition is made.
///
/// Source: draft-eastlake-fnv, offset basis 0xcbf29ce484222325 and prime 0x100000001b3.
pub fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_text_of_1_to_128_bytes_without_control_characters() {
        assert!(DeviceId::new("AL-0012").is_ok());
        assert!(DeviceId::new(&"x".repeat(128)).is_ok());
        assert!(DeviceId::new("Ørsted ⛴ <b>").is_ok());
        assert_eq!(DeviceId::new(""), Err(InvalidDeviceId::Empty));
        assert_eq!(DeviceId::new(&"ø".repeat(65)), Err(InvalidDeviceId::TooLong(130)));
        assert_eq!(DeviceId::new("a\u{85}b"), Err(InvalidDeviceId::ControlCharacter));
        assert_eq!(DeviceId::new("a\nb"), Err(InvalidDeviceId::ControlCharacter));
        assert_eq!(DeviceId::new(".."), Err(InvalidDeviceId::PathStep));
        assert!(DeviceId::new("...").is_ok());
    }

    #[test]
    fn the_hash_gives_the_published_test_vectors() {
        assert_eq!(fnv1a_64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a_64(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a_64(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
