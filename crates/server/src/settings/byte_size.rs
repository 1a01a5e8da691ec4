//! Amounts of storage, as people write them: `8GiB`, `512MB`, `4096`.

use std::fmt;

/// Units from the largest to the smallest, so that the first that divides an amount is the one to show it in. Of two
/// units that both divide, the binary one stands first: sizes of logs are powers of two far more often.
const UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

/// A number of bytes, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(u64);

impl ByteSize {
    pub(crate) const fn from_gib(gib: u64) -> Self {
        Self(gib << 30)
    }

    #[cfg(test)]
    pub(super) const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    /// Reads a whole number with a unit, or of bytes without one; upper and lower case are the same.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start();
        let factor = if unit.is_empty() || unit.eq_ignore_ascii_case("B") {
            1
        } else {
            UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?.1
        };
        let bytes = number.parse::<u64>().ok()?.checked_mul(factor)?;
        // TOML integers end at i64, and no file system comes near it.
        (1..=i64::MAX as u64).contains(&bytes).then_some(Self(bytes))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(formatter, "{}{unit}", self.0 / factor),
            None => write!(formatter, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn binary_and_decimal_units_differ() {
        assert_eq!(ByteSize::parse("8GiB"), Some(ByteSize(8_589_934_592)));
        assert_eq!(ByteSize::parse("512MB"), Some(ByteSize(512_000_000)));
        assert_eq!(ByteSize::parse("64 kib"), Some(ByteSize(65_536)));
        assert_eq!(ByteSize::parse("4096"), Some(ByteSize(4_096)));
        assert_eq!(ByteSize::parse("7B"), Some(ByteSize(7)));
    }

    #[test]
    fn nothing_negative_fractional_overflowing_or_unknown_is_a_size() {
        for text in ["", "0", "-1", "1.5GiB", "GiB", "8 G", "8GiBs", "99999999999TiB", "18446744073709551616"] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes in 1..=i64::MAX as u64) {
            prop_assert_eq!(ByteSize::parse(&ByteSize(bytes).to_string()), Some(ByteSize(bytes)));
        }

        #[test]
        fn round_sizes_read_back(count in 1_u64..100_000, unit in 0..UNITS.len()) {
            let size = ByteSize(count * UNITS[unit].1);
            prop_assert_eq!(ByteSize::parse(&size.to_string()), Some(size));
        }
    }
}
