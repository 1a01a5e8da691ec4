//! Reads JSON as it stands in memory, one step at a time.
//!
//! A pull parser of our own, because of what readings need and ready ones do not give together: numbers as they were
//! written, names seen twice, values of a wrong type passed over without building them, a nesting limit without
//! recursion. It accepts exactly the grammar of RFC 8259.

use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// Why a text is not JSON that is taken here, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{problem} at byte {at}")]
pub struct Malformed {
    /// The byte, counted from 0, at which reading stopped.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a text that should be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Something else should stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The text ends inside a value.
    #[error("the text ends where {0} is expected")]
    CutShort(&'static str),
    /// A control character inside a string that is not written as an escape.
    #[error("unescaped control character in a string")]
    ControlCharacter,
    /// A backslash is followed by something that JSON does not know.
    #[error("unknown escape in a string")]
    UnknownEscape,
    /// A `\u` escape is half of a surrogate pair, which stands for no character.
    #[error("half a surrogate pair in a string")]
    LoneSurrogate,
    /// Arrays and objects lie deeper in each other than allowed.
    #[error("nested deeper than {0} levels")]
    TooDeep(u8),
}

/// What kind of value JSON text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 8259")]
pub enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

/// A value: what readings are made of, or the kind of anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A string, its escapes resolved.
    Text(Cow<'a, str>),
    /// A number as it was written, following JSON's grammar.
    Number(&'a str),
    /// Another value, which was passed over.
    Other(Kind),
}

/// A place in a JSON text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
    max_depth: u8,
}

type Step<T> = Result<T, Malformed>;

impl<'a> Cursor<'a> {
    /// Nesting is followed in the bits of a word, whatever a caller allows.
    const DEEPEST: u8 = 63;

    /// Stands at the beginning of a text.
    pub(super) fn new(text: &'a str, max_nesting: u8) -> Self {
        Self { text, at: 0, depth: 0, max_depth: max_nesting.min(Self::DEEPEST) }
    }

    /// Takes a value by another reader of the same text, which gives it and the byte behind it, or nothing of what it
    /// leaves to this one. The value is whole JSON and at most one level deep.
    pub(super) fn take_by<T>(&mut self, reader: impl FnOnce(&'a str, usize) -> Option<(T, usize)>) -> Option<T> {
        if self.depth == self.max_depth {
            return None;
        }
        self.skip_space();
        let (value, behind) = reader(self.text, self.at)?;
        self.at = behind;
        Some(value)
    }

    /// The kind of the value that begins here, after white space, told by its first byte.
    pub(super) fn kind(&mut self) -> Step<Kind> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.expected("a value")),
        }
    }

    /// Visits the members of the object that begins here. The visitor stands at a member's value and must take it.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Step<()>) -> Step<()> {
        self.skip_space();
        self.open(b'{', "'{'")?;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.close();
            return Ok(());
        }
        loop {
            self.skip_space();
            let name = self.string("a member's name")?;
            self.skip_space();
            self.take(b':', "':'")?;
            member(self, name)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.close();
                    return Ok(());
                }
                _ => return Err(self.expected("',' or '}'")),
            }
        }
    }

    /// Visits the elements of the array that begins here. The visitor stands before an element and must take it.
    pub(super) fn array<E: From<Malformed>>(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        self.skip_space();
        self.open(b'[', "'['")?;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.close();
            return Ok(());
        }
        loop {
            element(self)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.close();
                    return Ok(());
                }
                _ => return Err(self.expected("',' or ']'").into()),
            }
        }
    }

    /// Takes a value, whatever it is.
    pub(super) fn value(&mut self) -> Step<Value<'a>> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string("a string")?)),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number(self.number()?)),
            _ => Ok(Value::Other(self.skip_value()?)),
        }
    }

    /// Passes over a value and tells its kind.
    pub(super) fn skip_value(&mut self) -> Step<Kind> {
        let kind = self.kind()?;
        match kind {
            Kind::Null => self.word("null")?,
            Kind::Boolean if self.peek() == Some(b't') => self.word("true")?,
            Kind::Boolean => self.word("false")?,
            Kind::Number => drop(self.number()?),
            Kind::Text => drop(self.raw_string("a string")?),
            Kind::Array | Kind::Object => self.skip_nested()?,
        }
        Ok(kind)
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Step<()> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.expected("the end")) }
    }

    /// Passes over the array or object that begins here without recursion, so that no input can exhaust the stack.
    fn skip_nested(&mut self) -> Step<()> {
        let outside = self.depth;
        // Bit n tells whether the container on level n is an object.
        let mut objects = 0u64;
        let mut is_first = self.enter(&mut objects)?;
        loop {
            let is_object = objects >> self.depth & 1 == 1;
            self.skip_space();
            if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                self.close();
                if self.depth == outside {
                    return Ok(());
                }
                is_first = false;
                continue;
            }
            if !is_first {
                self.take(b',', if is_object { "',' or '}'" } else { "',' or ']'" })?;
            }
            if is_object {
                self.skip_space();
                self.raw_string("a member's name")?;
                self.skip_space();
                self.take(b':', "':'")?;
            }
            is_first = match self.kind()? {
                Kind::Array | Kind::Object => self.enter(&mut objects)?,
                Kind::Null | Kind::Boolean | Kind::Number | Kind::Text => {
                    self.skip_value()?;
                    false
                }
            };
        }
    }

    /// Goes into the container that begins here and answers that its first element comes next.
    fn enter(&mut self, objects: &mut u64) -> Step<bool> {
        let is_object = self.peek() == Some(b'{');
        let (bracket, name) = if is_object { (b'{', "'{'") } else { (b'[', "'['") };
        self.open(bracket, name)?;
        let level = 1u64 << self.depth;
        *objects = if is_object { *objects | level } else { *objects & !level };
        Ok(true)
    }

    fn open(&mut self, bracket: u8, name: &'static str) -> Step<()> {
        if self.depth == self.max_depth && self.peek() == Some(bracket) {
            return Err(self.malformed(Problem::TooDeep(self.max_depth)));
        }
        self.take(bracket, name)?;
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// Takes a string and resolves its escapes; borrowed where there are none.
    fn string(&mut self, name: &'static str) -> Step<Cow<'a, str>> {
        let (raw, has_escapes) = self.raw_string(name)?;
        if !has_escapes {
            return Ok(Cow::Borrowed(raw));
        }
        match unescape(raw) {
            Some(text) => Ok(Cow::Owned(text)),
            None => Err(Malformed { at: self.at - raw.len() - 1, problem: Problem::LoneSurrogate }),
        }
    }

    /// Takes a string as it stands between its quotes, its escapes checked, and tells whether it has any.
    fn raw_string(&mut self, name: &'static str) -> Step<(&'a str, bool)> {
        self.take(b'"', name)?;
        let from = self.at;
        let mut has_escapes = false;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(plain) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) else {
                self.at = self.text.len();
                return Err(self.expected("the end of a string"));
            };
            self.at += plain;
            match rest[plain] {
                b'"' => {
                    let raw = &self.text[from..self.at];
                    self.at += 1;
                    return Ok((raw, has_escapes));
                }
                b'\\' => {
                    has_escapes = true;
                    self.skip_escape()?;
                }
                _ => return Err(self.malformed(Problem::ControlCharacter)),
            }
        }
    }

    fn skip_escape(&mut self) -> Step<()> {
        let rest = &self.text.as_bytes()[self.at + 1..];
        self.at += match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => 6,
            _ => return Err(self.malformed(Problem::UnknownEscape)),
        };
        Ok(())
    }

    /// Takes a number: `-`, digits without leading zeros, a fraction, an exponent.
    fn number(&mut self) -> Step<&'a str> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[from..self.at])
    }

    fn digits(&mut self) -> Step<()> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == from { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str) -> Step<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.expected("a value"))
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, name: &'static str) -> Step<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.expected(name))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn expected(&self, name: &'static str) -> Malformed {
        let is_cut = self.at >= self.text.len() && name != "the end";
        self.malformed(if is_cut { Problem::CutShort(name) } else { Problem::Expected(name) })
    }

    #[cold]
    fn malformed(&self, problem: Problem) -> Malformed {
        Malformed { at: self.at, problem }
    }
}

/// Resolves the escapes of a string that were checked before. `None` for half a surrogate pair.
fn unescape(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(slash) = rest.find('\\') {
        text.push_str(&rest[..slash]);
        let escape = rest.as_bytes()[slash + 1];
        let mut length = 2;
        text.push(match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = code_unit(&rest[slash..])?;
                let second = if (0xd800..0xdc00).contains(&first) { code_unit(&rest[slash + 6..]) } else { None };
                length = if second.is_some() { 12 } else { 6 };
                char::decode_utf16([Some(first), second].into_iter().flatten()).next()?.ok()?
            }
            quote_or_slash => char::from(quote_or_slash),
        });
        rest = &rest[slash + length..];
    }
    text.push_str(rest);
    Some(text)
}

/// The UTF-16 code unit of the `\uXXXX` with which a text begins.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

impl Value<'_> {
    /// The kind of the value.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Number(_) => Kind::Number,
            Self::Other(kind) => *kind,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}
