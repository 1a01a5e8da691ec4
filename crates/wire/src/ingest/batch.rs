//! One reading, an array of them, or one a line: bodies of the API.

use super::json::{Cursor, Kind};
use super::refusal::{Reason, Refused, Rejection, Rejections};
use super::{Accepted, Limits, usual_reading, v1_reading};
use fieldwatch_domain::{ReadingId, Timestamp};

/// What became of a body that was not refused as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// How many readings were visited.
    pub accepted: usize,
    /// The bad fields of the others, in the order of the body.
    pub rejected: Vec<Rejection>,
    /// How many readings the body has, good and bad.
    pub total: usize,
}

impl Parsed {
    /// Whether the answer is 422: the single reading is bad, or none of a batch is good. An empty batch asks for nothing
    /// and gets it.
    pub const fn is_refusal(&self) -> bool {
        self.accepted == 0 && self.total > 0
    }
}

/// Reads a body of JSON: one reading, or an array of readings. Each good one is given to `accept`, in order.
///
/// A single value that is neither object nor array is one bad reading; so is such an element of an array. `new_id` gives
/// the id of a reading that has none; its argument is the reading's place in the body, from 0.
///
/// # Errors
/// When the body as a whole is refused. Readings that were accepted before the fault was met count for nothing then.
pub fn parse_json<'a>(
    body: &'a [u8],
    limits: &Limits,
    now: Timestamp,
    mut new_id: impl FnMut(usize) -> ReadingId,
    accept: impl FnMut(Accepted<'a>),
) -> Result<Parsed, Refused> {
    let mut cursor = Cursor::new(utf8(body)?, limits.max_nesting);
    let mut visit = Visit::new(limits, now, &mut new_id, accept);
    if cursor.kind()? == Kind::Array {
        cursor.array(|cursor| visit.reading(cursor))?;
    } else {
        visit.reading(&mut cursor)?;
    }
    cursor.end()?;
    Ok(visit.into_parsed())
}

/// Reads a body of NDJSON: one reading a line, blank lines passed over. Each good one is given to `accept`, in order.
///
/// A line that is not JSON is one bad reading; the others go on. Lines end with LF or CR LF, the last one may lack it.
///
/// # Errors
/// When the body as a whole is refused: it is not UTF-8, or has too many lines. Readings that were accepted before count
/// for nothing then.
pub fn parse_ndjson<'a>(
    body: &'a [u8],
    limits: &Limits,
    now: Timestamp,
    mut new_id: impl FnMut(usize) -> ReadingId,
    accept: impl FnMut(Accepted<'a>),
) -> Result<Parsed, Refused> {
    let mut visit = Visit::new(limits, now, &mut new_id, accept);
    let mut rest = utf8(body)?;
    while !rest.is_empty() {
        if let Some(behind) = visit.usual_line(rest)? {
            rest = behind;
            continue;
        }
        let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        if !line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            visit.line(line)?;
        }
        rest = behind;
    }
    Ok(visit.into_parsed())
}

/// What is behind the end of a line whose rest is blank.
fn behind_line(rest: &str) -> Option<&str> {
    let rest = rest.trim_start_matches([' ', '\t', '\r']);
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('\n') }
}

/// The body as text, without the byte order mark that some tools put before UTF-8 (RFC 8259, section 8.1, lets a reader
/// pass over it).
pub(super) fn utf8(body: &[u8]) -> Result<&str, Refused> {
    let text = std::str::from_utf8(body).map_err(|error| Refused::NotUtf8 { at: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// A walk over the readings of a body.
struct Visit<'l, A> {
    limits: &'l Limits,
    now: Timestamp,
    new_id: &'l mut dyn FnMut(usize) -> ReadingId,
    accept: A,
    accepted: usize,
    total: usize,
    rejections: Rejections,
}

impl<'l, A> Visit<'l, A> {
    fn new(limits: &'l Limits, now: Timestamp, new_id: &'l mut dyn FnMut(usize) -> ReadingId, accept: A) -> Self {
        Self { limits, now, new_id, accept, accepted: 0, total: 0, rejections: Rejections::new(limits.max_readings) }
    }

    /// Takes the next reading of a body that is JSON as a whole.
    fn reading<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Refused>
    where
        A: FnMut(Accepted<'a>),
    {
        let index = self.next_index()?;
        let (limits, now) = (self.limits, self.now);
        if let Some(usual) = cursor.take_by(|text, at| usual_reading::take(text, at, limits, now)) {
            let accepted = usual.accepted(now, || (self.new_id)(index));
            self.hand_on(Some(accepted));
            return Ok(());
        }
        let taken = v1_reading::take(cursor, index, self.limits, self.now, self.new_id, &mut self.rejections)?;
        self.hand_on(taken);
        Ok(())
    }

    /// Takes the first line of a text if it is a usual reading, and gives what is behind the line.
    fn usual_line<'a>(&mut self, text: &'a str) -> Result<Option<&'a str>, Refused>
    where
        A: FnMut(Accepted<'a>),
    {
        if self.limits.max_nesting == 0 {
            return Ok(None);
        }
        let Some((usual, length)) = usual_reading::take(text, 0, self.limits, self.now) else { return Ok(None) };
        let Some(behind) = behind_line(&text[length..]) else { return Ok(None) };
        let index = self.next_index()?;
        let accepted = usual.accepted(self.now, || (self.new_id)(index));
        self.hand_on(Some(accepted));
        Ok(Some(behind))
    }

    /// Takes a line that has to be a reading.
    fn line<'a>(&mut self, line: &'a str) -> Result<(), Refused>
    where
        A: FnMut(Accepted<'a>),
    {
        let index = self.next_index()?;
        let mut cursor = Cursor::new(line, self.limits.max_nesting);
        let taken = v1_reading::take(&mut cursor, index, self.limits, self.now, self.new_id, &mut self.rejections)
            .and_then(|taken| cursor.end().map(|()| taken));
        match taken {
            Ok(taken) => self.hand_on(taken),
            Err(malformed) => self.rejections.replace(index, "", Reason::LineNotJson(malformed)),
        }
        Ok(())
    }

    fn hand_on<'a>(&mut self, taken: Option<Accepted<'a>>)
    where
        A: FnMut(Accepted<'a>),
    {
        if let Some(taken) = taken {
            self.accepted += 1;
            (self.accept)(taken);
        }
    }

    fn next_index(&mut self) -> Result<usize, Refused> {
        if self.total == self.limits.max_readings {
            return Err(Refused::TooManyReadings { most: self.limits.max_readings });
        }
        self.total += 1;
        Ok(self.total - 1)
    }

    fn into_parsed(self) -> Parsed {
        Parsed { accepted: self.accepted, rejected: self.rejections.into_list(), total: self.total }
    }
}
