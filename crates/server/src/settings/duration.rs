//! Lengths of time, as people write them: `500ms`, `30s`, `1h30m`, `7d`.

use std::fmt::Write as _;
use std::time::Duration;

/// From the largest to the smallest, in milliseconds: the order in which the parts of a duration have to stand.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A hundred years: more is a slip of the hand, and sums with it could overflow a clock.
const LONGEST: Duration = Duration::from_hours(24 * 36_500);

/// How durations are written, for error messages.
pub(super) const EXAMPLES: &str = r#""500ms", "30s", "5m", "1h30m" or "7d""#;

/// Reads a duration longer than nothing and at most a hundred years; the text of the error says what is allowed.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("a duration needs a unit, for example \"{text}s\" (units: ms, s, m, h, d)"));
    }
    match sum_of_parts(text) {
        None => Err(format!("a duration is written like {EXAMPLES}")),
        Some(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        Some(duration) if duration > LONGEST => Err("must be at most 36500d".to_owned()),
        Some(duration) => Ok(duration),
    }
}

/// The shortest text that reads back as `duration`, which is cut to milliseconds.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, milliseconds) in UNITS {
        let count = rest / milliseconds;
        rest %= milliseconds;
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    text
}

fn sum_of_parts(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut milliseconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let place = units.iter().position(|(name, _)| *name == unit)?;
        milliseconds = milliseconds.checked_add(number.parse::<u64>().ok()?.checked_mul(units[place].1)?)?;
        units = &units[place + 1..];
        rest = after;
    }
    (!text.is_empty()).then_some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_add_up() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_hours(168)));
        assert_eq!(parse_duration("1m30s250ms"), Ok(Duration::from_millis(90_250)));
    }

    #[test]
    fn a_number_without_unit_is_answered_with_what_was_probably_meant() {
        assert_eq!(parse_duration("30"), Err(r#"a duration needs a unit, for example "30s" (units: ms, s, m, h, d)"#.to_owned()));
    }

    #[test]
    fn zero_too_long_and_misspelt_durations_are_refused() {
        for text in ["", "0s", "36501d", "-5s", "1.5h", "5min", "s", "5m 30s", "30s5m", "5m5m", "99999999999999999999d", "5 m"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("36500d").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(milliseconds in 1_u64..=3_153_600_000_000) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
    }
}
