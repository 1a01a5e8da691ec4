//! The reading that nearly every device sends, taken in one pass over its bytes.
//!
//! A short cut through `v1_reading` and what it stands on, which never refuses: of anything that is not quite usual it says
//! nothing, and the careful way begins again at the same place. What the short cut takes, the careful way has to take as
//! well, and to the same reading; a test holds it to that. Usual is an object of known names, each once, in any order;
//! texts of printable ASCII without escapes; numbers of up to 18 digits without exponent; white space or none, but no
//! line break, which would end a line of NDJSON.

use super::decimal::{POWERS_OF_10, Steps};
use super::{Accepted, Limits, field};
use fieldwatch_domain::{Celsius, Location, Reading, ReadingId, Timestamp};
use std::borrow::Cow;

/// A reading, but for what the request adds to it.
pub(super) struct Usual<'a> {
    device_id: &'a str,
    temperature: Celsius,
    location: Location,
    at: Option<Timestamp>,
    id: Option<ReadingId>,
}

impl<'a> Usual<'a> {
    pub(super) fn accepted(self, now: Timestamp, new_id: impl FnOnce() -> ReadingId) -> Accepted<'a> {
        let Self { device_id, temperature, location, at, id } = self;
        let id = id.unwrap_or_else(new_id);
        Accepted { device_id: Cow::Borrowed(device_id), reading: Reading { temperature, location, at, received_at: now, id } }
    }
}

/// The usual reading that begins at this byte of a text, and the byte behind it.
pub(super) fn take<'a>(text: &'a str, at: usize, limits: &Limits, now: Timestamp) -> Option<(Usual<'a>, usize)> {
    let mut scan = Scan { text, at };
    let (mut device_id, mut temperature, mut latitude, mut longitude) = (None, None, None, None);
    let (mut measured_at, mut id) = (None, None);
    scan.byte(b'{')?;
    loop {
        scan.skip_space();
        match scan.member()? {
            Member::DeviceId => once(&mut device_id, || field::known_device_id(scan.text()?).ok())?,
            Member::Temperature => once(&mut temperature, || field::believed(scan.number(4)?, limits).ok())?,
            Member::Lat => once(&mut latitude, || field::on_the_globe(scan.number(7)?, Location::MAX_LATITUDE).ok())?,
            Member::Lon => once(&mut longitude, || field::on_the_globe(scan.number(7)?, Location::MAX_LONGITUDE).ok())?,
            Member::At => once(&mut measured_at, || field::time(scan.text()?, limits, now).ok())?,
            Member::ReadingId => once(&mut id, || ReadingId::new(scan.text()?).ok())?,
        }
        scan.skip_space();
        match scan.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    let location = Location::from_stored(latitude?, longitude?);
    Some((Usual { device_id: device_id?, temperature: temperature?, location, at: measured_at, id }, scan.at))
}

/// Takes a member's value, unless it was taken before.
fn once<T>(member: &mut Option<T>, value: impl FnOnce() -> Option<T>) -> Option<()> {
    if member.is_some() {
        return None;
    }
    *member = Some(value()?);
    Some(())
}

enum Member {
    DeviceId,
    Temperature,
    Lat,
    Lon,
    At,
    ReadingId,
}

/// A place in a text. Every step answers `None` at what is not usual and may stand anywhere then.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

/// One in each byte of a word, and the highest bit of each.
const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * EACH;

impl<'a> Scan<'a> {
    /// A member's name with the colon behind it, up to its value.
    fn member(&mut self) -> Option<Member> {
        let rest = self.rest();
        // Each name is compared in its own arm, where its length is known: otherwise every one costs a call.
        let (member, length) = match rest.get(1)? {
            b'd' => (Member::DeviceId, begins(rest, b"\"deviceId\"")?),
            b't' => (Member::Temperature, begins(rest, b"\"temperature\"")?),
            b'l' if rest.get(2) == Some(&b'a') => (Member::Lat, begins(rest, b"\"lat\"")?),
            b'l' => (Member::Lon, begins(rest, b"\"lon\"")?),
            b'a' => (Member::At, begins(rest, b"\"at\"")?),
            b'r' => (Member::ReadingId, begins(rest, b"\"readingId\"")?),
            _ => return None,
        };
        self.at += length;
        self.skip_space();
        self.byte(b':')?;
        self.skip_space();
        Some(member)
    }

    /// A text of printable ASCII without escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.byte(b'"')?;
        let from = self.at;
        loop {
            let word = self.word();
            // The lowest marked byte is the first that is no plain one: borrows and carries only run upwards from it.
            let (quote, slash) = (word ^ (EACH * u64::from(b'"')), word ^ (EACH * u64::from(b'\\')));
            let no_printable = word.wrapping_sub(EACH * 0x20) | word.wrapping_add(EACH) | word;
            let no_plain = (no_printable | (quote.wrapping_sub(EACH) & !quote) | (slash.wrapping_sub(EACH) & !slash)) & HIGH;
            if no_plain != 0 {
                self.at += (no_plain.trailing_zeros() / 8) as usize;
                let text = self.text.get(from..self.at)?;
                self.byte(b'"')?;
                return Some(text);
            }
            self.at += 8;
        }
    }

    /// A number of up to 18 digits, as counted in steps of 10^-`places`.
    fn number(&mut self, places: u32) -> Option<Steps> {
        let is_negative = self.byte(b'-').is_some();
        let from = self.at;
        let mut digits = self.digits(0)?;
        let whole_length = self.at - from;
        if whole_length > 1 && self.text.as_bytes()[from] == b'0' {
            return None;
        }
        let mut fraction_length = 0;
        if self.byte(b'.').is_some() {
            let from = self.at;
            digits = self.digits(digits)?;
            fraction_length = self.at - from;
        }
        if whole_length + fraction_length > 18 || matches!(self.peek(), Some(b'e' | b'E')) {
            return None;
        }
        Steps::of_digits(is_negative, digits, fraction_length as u32, places)
    }

    /// `before` with the digits that follow appended, at least one; wraps beyond 18.
    fn digits(&mut self, before: u64) -> Option<u64> {
        let from = self.at;
        let mut number = before;
        loop {
            let word = self.word();
            // Only `0` to `9` have a 3 in the upper half of the byte, also after 6 was added to the lower half.
            let (upper, threes) = (0xf0 * EACH, 0x30 * EACH);
            let no_digits = ((word & upper) ^ threes) | ((word.wrapping_add(6 * EACH) & upper) ^ threes);
            let length = no_digits.trailing_zeros() / 8;
            if length == 0 {
                break;
            }
            self.at += length as usize;
            // Zeros move in from below: they stand before the digits then and count nothing.
            number = number.wrapping_mul(POWERS_OF_10[length as usize]).wrapping_add(eight_digits(word << (64 - 8 * length)));
            if length < 8 {
                break;
            }
        }
        (self.at > from).then_some(number)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn next(&mut self) -> Option<u8> {
        self.at += 1;
        self.text.as_bytes().get(self.at - 1).copied()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next eight bytes, the first in the lowest place; zeros, which are neither text nor digits, where there are none.
    fn word(&self) -> u64 {
        let rest = self.rest();
        if let Some(bytes) = rest.first_chunk() {
            return u64::from_le_bytes(*bytes);
        }
        rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }
}

/// The length of a name with which the bytes begin.
fn begins<const N: usize>(bytes: &[u8], name: &[u8; N]) -> Option<usize> {
    (bytes.first_chunk() == Some(name)).then_some(N)
}

/// The number that eight digits spell, neighbours joined to two, four and eight digits; zero bytes count as `0`.
fn eight_digits(word: u64) -> u64 {
    let ones = word & (0x0f * EACH);
    let twos = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

#[cfg(test)]
mod tests;
