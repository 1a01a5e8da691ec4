//! Times as devices write them: RFC 3339.

use fieldwatch_domain::Timestamp;

const MS_PER_SECOND: i64 = 1000;
const MS_PER_MINUTE: i64 = 60 * MS_PER_SECOND;
const MS_PER_DAY: i64 = 24 * 60 * MS_PER_MINUTE;

/// Reads an RFC 3339 time, `2026-01-01T00:00:00.123+01:00`; `None` for anything else.
///
/// Taken strictly: the whole of date, time and offset, a day that its month has, no white space around. `t`, `z` and a
/// space between date and time are allowed, as the RFC's notes do. A fraction may have any number of digits; what is finer
/// than milliseconds is cut off. A leap second (`23:59:60` UTC) is the last millisecond of its minute, because the Unix
/// count has no place for it and a reading must not be later than one taken in the next second.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (&[y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T' | b't' | b' ', h1, h2, b':', mi1, mi2, b':', s1, s2], rest) =
        bytes.split_first_chunk::<19>()?
    else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    let (month, day) = (number(&[mo1, mo2])?, number(&[d1, d2])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[mi1, mi2])?, number(&[s1, s2])?);
    let (fraction_ms, rest) = fraction(rest)?;
    let offset_ms = offset(rest)?;

    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minute_begins = days_from_epoch(year, month, day) * MS_PER_DAY + (hour * 60 + minute) * MS_PER_MINUTE - offset_ms;
    if second < 60 {
        return Some(Timestamp::from_unix_ms(minute_begins + second * MS_PER_SECOND + fraction_ms));
    }
    let ends_a_utc_day = minute_begins.rem_euclid(MS_PER_DAY) == MS_PER_DAY - MS_PER_MINUTE;
    ends_a_utc_day.then(|| Timestamp::from_unix_ms(minute_begins + MS_PER_MINUTE - 1))
}

/// Milliseconds of an optional `.123456`, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits_on) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let length = digits_on.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let (digits, rest) = digits_on.split_at(length);
    let ms = (0..3).fold(0, |ms, place| ms * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0')));
    Some((ms, rest))
}

/// Milliseconds by which local time is ahead of UTC: `Z`, `+01:00`, `-11:30`.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, &[h1, h2, b':', m1, m2]) = (match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, <&[u8; 5]>::try_from(rest).ok()?),
        [b'-', rest @ ..] => (-1, <&[u8; 5]>::try_from(rest).ok()?),
        _ => return None,
    }) else {
        return None;
    };
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * MS_PER_MINUTE)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
///
/// Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
pub(super) fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::write_timestamp;
    use proptest::prelude::*;

    fn ms(text: &str) -> Option<i64> {
        parse_rfc3339(text).map(Timestamp::unix_ms)
    }

    #[test]
    fn a_time_with_its_offset_is_a_moment_in_utc() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-01T00:00:00.000Z", 1_767_225_600_000),
            ("2026-01-01t01:30:00z", 1_767_231_000_000),
            ("2026-01-01 01:30:00+01:30", 1_767_225_600_000),
            ("2025-12-31T13:00:00.5-11:00", 1_767_225_600_500),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("1969-12-31T23:59:59Z", -1000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(ms(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_finer_than_a_millisecond_is_cut_not_rounded() {
        assert_eq!(ms("1970-01-01T00:00:00.1239999Z"), Some(123));
        assert_eq!(ms(&format!("1970-01-01T00:00:00.0{}Z", "9".repeat(100_000))), Some(99));
    }

    #[test]
    fn a_leap_second_is_the_end_of_a_utc_day() {
        assert_eq!(ms("2016-12-31T23:59:60Z"), ms("2016-12-31T23:59:59.999Z"));
        assert_eq!(ms("2017-01-01T00:59:60.5+01:00"), ms("2016-12-31T23:59:59.999Z"));
        assert_eq!(ms("2016-12-31T22:59:60Z"), None);
        assert_eq!(ms("2016-12-31T23:59:61Z"), None);
    }

    #[test]
    fn what_is_not_quite_rfc_3339_is_refused() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+01",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+01:60",
            "2026-01-01T00:00:00 Z",
            " 2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z ",
            "2026-01-01T00:00:00ZZ",
            "26-01-01T00:00:00Z",
            "+2026-01-01T00:00:00Z",
            "12026-01-01T00:00:00Z",
            "2026-1-1T0:0:0Z",
            "2026-01-01T00:00:00\u{2212}01:00",
            "٢٠٢٦-01-01T00:00:00Z",
            "1767225600000",
        ] {
            assert_eq!(ms(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_that_is_written_reads_as_itself(moment in -62_167_219_200_000i64..=253_402_300_799_999) {
            let mut text = String::new();
            write_timestamp(&mut text, Timestamp::from_unix_ms(moment));
            prop_assert_eq!(ms(&text), Some(moment), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,5})?([Zz+-].{0,6})?|.*") {
            let _ = parse_rfc3339(&text);
        }
    }
}
