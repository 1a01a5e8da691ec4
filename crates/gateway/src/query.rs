//! The parameters of a request, taken strictly: unknown ones, repeated ones and bad values are refused, each by its name.

use crate::problem::{FieldError, Problem};
use axum::http::{StatusCode, Uri};
use fieldwatch_directory::Bbox;
use fieldwatch_domain::{EventType, Location, Timestamp};
use fieldwatch_wire::ingest::{Steps, parse_rfc3339};
use std::borrow::Cow;
use std::str::FromStr;

/// How many entries a list has unless it is asked for another number.
pub(crate) const DEFAULT_LIMIT: usize = 100;
/// How many entries a list has at most.
pub(crate) const MAX_LIMIT: usize = 1_000;
/// How many values a filter takes.
pub(crate) const MAX_FILTER_VALUES: usize = 1_000;

/// The parameters that were not asked for yet, and what is wrong with the others.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Takes the parameters apart.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        let raw = uri.query().unwrap_or_default();
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        });
        let Some(pairs) = pairs.collect() else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "malformed_query", "the query is not percent-encoded UTF-8"));
        };
        Ok(Self { pairs, errors: Vec::new() })
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn many(&mut self, name: &'static str) -> Vec<String> {
        let (found, rest) = std::mem::take(&mut self.pairs).into_iter().partition(|(given, _)| given == name);
        self.pairs = rest;
        let found: Vec<(String, String)> = found;
        if found.len() > MAX_FILTER_VALUES {
            self.refuse(name, format!("may have {MAX_FILTER_VALUES} values at most, has {}", found.len()));
            return Vec::new();
        }
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn single(&mut self, name: &'static str) -> Option<String> {
        let mut found = self.many(name);
        if found.len() > 1 {
            self.refuse(name, "is given more than once");
            return None;
        }
        found.pop()
    }

    /// The value of a parameter that may be given once, read by `read`, which says what is wrong with it.
    pub(crate) fn read<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.single(name)?;
        self.keep(name, read(&value))
    }

    /// All values of a parameter that may be repeated, each read by `read`.
    pub(crate) fn read_many<T>(&mut self, name: &'static str, mut read: impl FnMut(&str) -> Result<T, String>) -> Vec<T> {
        self.many(name).into_iter().filter_map(|value| self.keep(name, read(&value))).collect()
    }

    fn keep<T>(&mut self, name: &'static str, read: Result<T, String>) -> Option<T> {
        read.map_err(|reason| self.refuse(name, reason)).ok()
    }

    /// Notes what is wrong with a parameter.
    pub(crate) fn refuse(&mut self, name: impl Into<Cow<'static, str>>, reason: impl Into<String>) {
        self.errors.push(FieldError { index: 0, field: name.into(), reason: reason.into() });
    }

    /// `limit`: how many entries are wanted.
    pub(crate) fn limit(&mut self) -> usize {
        self.read("limit", |text| whole_number(text, 1, MAX_LIMIT)).unwrap_or(DEFAULT_LIMIT)
    }

    /// `from` and `to`.
    pub(crate) fn range(&mut self) -> TimeRange {
        TimeRange { from: self.read("from", time), to: self.read("to", time) }
    }

    /// `types`.
    pub(crate) fn types<C: FromIterator<EventType>>(&mut self) -> C {
        let types = self.read_many("types", |name| EventType::from_name(name).ok_or_else(|| unknown_type(name)));
        types.into_iter().collect()
    }

    /// `bbox`.
    pub(crate) fn bbox(&mut self) -> Option<Bbox> {
        self.read("bbox", bbox)
    }

    /// `zone`: there are none yet, so none is known.
    pub(crate) fn zone(&mut self) {
        if !self.many("zone").is_empty() {
            self.refuse("zone", "is not known: this version has no zones yet");
        }
    }

    /// Refuses what is left over, and everything that was noted.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.refuse(name, "is not a parameter of this operation");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid("invalid_parameter", self.errors)) }
    }
}

/// A range of times: `from` is in it, `to` is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

impl TimeRange {
    pub(crate) fn contains(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| moment >= from) && self.to.is_none_or(|to| moment < to)
    }
}

/// An RFC 3339 time. A `+` that was not percent-encoded has become a space, and is taken for what it was.
fn time(text: &str) -> Result<Timestamp, String> {
    let repaired = match text.rfind(' ') {
        Some(at) if at > "2026-01-01T00".len() => Cow::Owned(format!("{}+{}", &text[..at], &text[at + 1..])),
        _ => Cow::Borrowed(text),
    };
    parse_rfc3339(&repaired).ok_or_else(|| "must be an RFC 3339 time such as 2026-01-01T00:00:00Z".into())
}

/// A whole number of decimal digits.
pub(crate) fn whole_number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_digits { usize::from_str(text).ok() } else { None };
    number.filter(|number| (least..=most).contains(number)).ok_or_else(|| format!("must be a whole number from {least} to {most}"))
}

/// A decimal in steps of 10^-`places`, read exactly.
pub(crate) fn decimal(text: &str, places: u32) -> Result<Steps, String> {
    Steps::parse(text, places).ok_or_else(|| "must be a number".to_owned())
}

fn bbox(text: &str) -> Result<Bbox, String> {
    let form = || "must be west,south,east,north in degrees".to_owned();
    let parts: Vec<&str> = text.split(',').collect();
    let [west, south, east, north] = parts.as_slice() else { return Err(form()) };
    let edge = |text: &str, most: i32| {
        let steps = decimal(text.trim(), 7).map_err(|_| form())?;
        let within = i64::from(-most) <= steps.floor && steps.ceiling <= i64::from(most);
        if within {
            Ok(steps.nearest as i32)
        } else {
            Err("must lie on the globe: ±180 degrees east, ±90 degrees north".to_owned())
        }
    };
    let (west, east) = (edge(west, Location::MAX_LONGITUDE)?, edge(east, Location::MAX_LONGITUDE)?);
    let (south, north) = (edge(south, Location::MAX_LATITUDE)?, edge(north, Location::MAX_LATITUDE)?);
    if south > north {
        return Err("has its south north of its north".into());
    }
    Ok(Bbox { west, south, east, north })
}

/// A name or value as it was before its percent-encoding; `+` stands for a space, as forms write it.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Says which of several values is meant, and what is known.
fn unknown_type(name: &str) -> String {
    let told: String = name.chars().take(64).collect();
    let known = EventType::ALL.map(EventType::name).join(", ");
    format!("{told:?} is not a type of event; known are {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/x?{text}").parse().expect("a URI")).expect("percent-encoded UTF-8")
    }

    fn refused(query: Query) -> Vec<String> {
        query.finish().err().map(|problem| problem.fields().iter().map(ToString::to_string).collect()).unwrap_or_default()
    }

    #[test]
    fn what_is_not_known_or_repeated_or_wrong_is_refused_by_its_name() {
        let mut given = query("limit=0&from=now&q=a&q=b&nonsense=1&types=DeviceIsBack&types=Nonsense&zone=north");
        given.limit();
        given.range();
        given.single("q");
        given.types::<Vec<_>>();
        given.zone();
        assert_eq!(refused(given), ["limit", "from", "q", "types", "zone", "nonsense"]);
    }

    #[test]
    fn values_are_percent_decoded_as_utf_8() {
        let mut given = query("q=k%C3%BChl+wagen&label=a%26b&label=c");
        assert_eq!(given.single("q").as_deref(), Some("kühl wagen"));
        assert_eq!(given.many("label"), ["a&b", "c"]);
        assert!(refused(given).is_empty());
        for broken in ["q=%ff", "q=%zz", "q=%f"] {
            assert!(Query::of(&format!("/x?{broken}").parse().expect("a URI")).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_box_is_four_exact_numbers_on_the_globe() {
        assert_eq!(
            bbox("170,-10.5,-170,10"),
            Ok(Bbox { west: 1_700_000_000, south: -105_000_000, east: -1_700_000_000, north: 100_000_000 })
        );
        for wrong in ["1,2,3", "a,b,c,d", "0,91,1,92", "0,5,1,4", "1,2,3,4,5", "0,0,180.00000000001,1", "NaN,0,1,1", ""] {
            assert!(bbox(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_offset_whose_plus_was_not_encoded_is_still_a_time() {
        let mut given = query("from=2026-01-01T02:00:00+02:00&to=2026-01-01T00:00:00Z");
        let range = given.range();
        assert_eq!(range.from, range.to);
        assert!(refused(given).is_empty());
        assert!(!range.contains(range.from.expect("a time")));
    }

    #[test]
    fn a_whole_number_is_digits_within_its_bounds() {
        assert_eq!(whole_number("1000", 1, 1000), Ok(1000));
        for wrong in ["0", "1001", "-1", "+1", "1.0", "x", "", "99999999999999999999999"] {
            assert!(whole_number(wrong, 1, 1000).is_err(), "{wrong}");
        }
    }
}
