//! Times of the original broker message: local time of its publisher, `2026-01-01 00:00:00`.

use super::rfc3339::days_from_epoch;
use fieldwatch_domain::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use thiserror::Error;

/// The clock on the wall where the publishers are.
///
/// Rules come from the system's time zone database where it has one, else from the one that is built in.
#[derive(Clone, Debug)]
pub struct LocalClock {
    zone: TimeZone,
}

/// No time zone is known by this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no time zone is known as {0:?}; names are those of IANA, such as Europe/Amsterdam")]
pub struct UnknownTimeZone(
    /// The name.
    pub String,
);

impl LocalClock {
    /// The clock of an IANA time zone: `UTC`, `Europe/Amsterdam`.
    ///
    /// # Errors
    /// When none has that name.
    pub fn in_zone(name: &str) -> Result<Self, UnknownTimeZone> {
        let zone = TimeZone::get(name).map_err(|_| UnknownTimeZone(name.to_owned()))?;
        Ok(Self { zone })
    }

    /// The moment that a local time means to somebody who receives it at `received`; `None` for what is no such time.
    ///
    /// A time that the clock shows twice is the one nearer to `received`, and the earlier if both are equally near. One that
    /// it never shows, because it was put forward over it, is moved on by as much. Taken strictly: every digit, a day that
    /// its month has, no seconds beyond 59, no white space around.
    pub(super) fn read(&self, text: &str, received: Timestamp) -> Option<Timestamp> {
        let local = civil(text)?;
        let moment = |offset: Offset| unix_ms(local) - i64::from(offset.seconds()) * 1000;
        let ms = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => moment(offset),
            // What was in force before the gap counts on through it: that moves the time on by the gap's length.
            AmbiguousOffset::Gap { before, after: _ } => moment(before),
            AmbiguousOffset::Fold { before, after } => {
                let (earlier, later) = (moment(before), moment(after));
                let distance = |ms: i64| ms.abs_diff(received.unix_ms());
                if distance(later) < distance(earlier) { later } else { earlier }
            }
        };
        Some(Timestamp::from_unix_ms(ms))
    }
}

/// Milliseconds that a clock in UTC would count at this time.
fn unix_ms(local: DateTime) -> i64 {
    let days = days_from_epoch(local.year().into(), local.month().into(), local.day().into());
    let seconds = i64::from(local.hour()) * 3600 + i64::from(local.minute()) * 60 + i64::from(local.second());
    (days * 86_400 + seconds) * 1000
}

fn civil(text: &str) -> Option<DateTime> {
    let &[y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b' ', h1, h2, b':', mi1, mi2, b':', s1, s2] =
        <&[u8; 19]>::try_from(text.as_bytes()).ok()?
    else {
        return None;
    };
    let two =
        |tens: u8, ones: u8| (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| ((tens - b'0') * 10 + ones - b'0') as i8);
    let year = i16::from(two(y1, y2)?) * 100 + i16::from(two(y3, y4)?);
    let date = Date::new(year, two(mo1, mo2)?, two(d1, d2)?).ok()?;
    let time = Time::new(two(h1, h2)?, two(mi1, mi2)?, two(s1, s2)?, 0).ok()?;
    Some(date.to_datetime(time))
}

#[cfg(test)]
mod tests;
