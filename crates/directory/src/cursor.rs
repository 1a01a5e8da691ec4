//! A place in a list, as clients carry it from page to page.

use crate::{Sort, SortKey, order::Place};
use fieldwatch_domain::check_device_id;
use std::fmt::Write;

/// Says how the bytes below are laid out; a cursor of another layout is refused.
const LAYOUT: u8 = 1;
/// Bytes before the texts: layout, sort, number, whether there is a text, its length.
const HEADER: usize = 1 + 1 + 8 + 1 + 2;

/// A place in an order: just after a device that was shown. Opaque to clients; it names the order it belongs to.
///
/// It holds the values that are compared rather than a number of rows, so that pages follow one another without hole or
/// double even while devices come and go, as long as the values themselves stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    sort: Sort,
    number: i64,
    text: Option<Box<str>>,
    id: Box<str>,
}

/// A text that is no cursor, or one of another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list")]
pub struct InvalidCursor;

impl Cursor {
    pub(crate) fn after(sort: Sort, place: &Place<'_>) -> Self {
        Self { sort, number: place.number, text: place.text.map(Into::into), id: place.id.into() }
    }

    pub(crate) fn place(&self) -> Place<'_> {
        Place { number: self.number, text: self.text.as_deref(), id: &self.id }
    }

    /// As text of URL-safe characters.
    pub fn to_text(&self) -> String {
        let mut bytes = vec![LAYOUT, sort_byte(self.sort)];
        bytes.extend(self.number.to_be_bytes());
        let text = self.text.as_deref().unwrap_or_default();
        bytes.push(u8::from(self.text.is_some()));
        // A name has at most 200 characters, so its length fits.
        bytes.extend((text.len() as u16).to_be_bytes());
        bytes.extend(text.bytes());
        bytes.extend(self.id.bytes());
        bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing to a string does not fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
    }

    /// From its text.
    ///
    /// # Errors
    /// When the text is no cursor of this order.
    pub fn from_text(text: &str, sort: Sort) -> Result<Self, InvalidCursor> {
        Self::decode(text, sort).ok_or(InvalidCursor)
    }

    fn decode(text: &str, sort: Sort) -> Option<Self> {
        let bytes = from_hex(text)?;
        let (header, texts) = bytes.split_at_checked(HEADER)?;
        if header[..2] != [LAYOUT, sort_byte(sort)] {
            return None;
        }
        let number = i64::from_be_bytes(header[2..10].try_into().ok()?);
        let has_text = match header[10] {
            0 => false,
            1 => true,
            _ => return None,
        };
        let (name, id) = texts.split_at_checked(usize::from(u16::from_be_bytes([header[11], header[12]])))?;
        let (name, id) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(id).ok()?);
        check_device_id(id).ok()?;
        if !has_text && !name.is_empty() {
            return None;
        }
        Some(Self { sort, number, text: has_text.then(|| name.into()), id: id.into() })
    }
}

fn sort_byte(sort: Sort) -> u8 {
    let key = match sort.key {
        SortKey::DeviceId => 0,
        SortKey::Temperature => 1,
        SortKey::LastSeen => 2,
        SortKey::ReceivedAt => 3,
        SortKey::Version => 4,
        SortKey::Name => 5,
        SortKey::Status => 6,
    };
    key << 1 | u8::from(sort.descending)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    // The longest cursor is a name of 200 characters and an id of 128 bytes; do not even look at more.
    const LONGEST: usize = 2 * (HEADER + 4 * 200 + 128);
    if text.len() > LONGEST || !text.len().is_multiple_of(2) || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_NAME: Sort = Sort { key: SortKey::Name, descending: true };

    fn cursor() -> Cursor {
        Cursor::after(BY_NAME, &Place { number: -7, text: Some("Kühlwagen"), id: "Ørsted" })
    }

    #[test]
    fn a_cursor_comes_back_from_its_text() {
        let text = cursor().to_text();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(Cursor::from_text(&text, BY_NAME), Ok(cursor()));
        let nameless = Cursor::after(BY_NAME, &Place { number: i64::MIN, text: None, id: "x" });
        assert_eq!(Cursor::from_text(&nameless.to_text(), BY_NAME), Ok(nameless));
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let text = cursor().to_text();
        for sort in [Sort { descending: false, ..BY_NAME }, Sort { key: SortKey::Version, descending: true }] {
            assert_eq!(Cursor::from_text(&text, sort), Err(InvalidCursor));
        }
    }

    #[test]
    fn a_text_that_is_no_cursor_is_refused_wherever_it_is_cut_or_changed() {
        let text = cursor().to_text();
        for end in 0..text.len() {
            let cut = Cursor::from_text(&text[..end], BY_NAME);
            // Cut within the id it is a cursor after another id, which is nobody's harm.
            assert!(cut.is_err() || end > 2 * (HEADER + "Kühlwagen".len()), "cut at {end}");
        }
        for wrong in ["", "nonsense", "zz", "0", "é0", &text.to_uppercase(), &"0".repeat(100_000)] {
            assert_eq!(Cursor::from_text(wrong, BY_NAME), Err(InvalidCursor), "{wrong:.20}");
        }
    }
}
