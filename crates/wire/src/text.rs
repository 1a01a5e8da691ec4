//! Numbers and times as text: shortest decimals without exponent, and RFC 3339 in UTC with three decimals.

use fieldwatch_domain::{Celsius, Location, Timestamp};

/// Writes a temperature in °C: `48.5`, `48`, `-0.0001`; never `-0`.
pub fn write_celsius(out: &mut String, temperature: Celsius) {
    write_scaled(out, i64::from(temperature.steps()), 4);
}

/// Writes a coordinate given in steps of 0.0000001° as degrees.
pub fn write_degrees(out: &mut String, steps: i32) {
    write_scaled(out, i64::from(steps), 7);
}

/// Writes `{"lat":…,"lon":…}`.
pub fn write_location(out: &mut String, location: Location) {
    out.push_str("{\"lat\":");
    write_degrees(out, location.latitude());
    out.push_str(",\"lon\":");
    write_degrees(out, location.longitude());
    out.push('}');
}

/// Writes an integer.
pub fn write_integer(out: &mut String, number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| *digit as char));
}

/// `number` steps of 10^-`decimals` as the shortest decimal.
fn write_scaled(out: &mut String, number: i64, decimals: usize) {
    if number < 0 {
        out.push('-');
    }
    let unit = 10u64.pow(decimals as u32);
    let magnitude = number.unsigned_abs();
    write_integer(out, magnitude / unit);
    let mut fraction = magnitude % unit;
    if fraction == 0 {
        return;
    }
    let mut digits = [b'0'; 10];
    for at in (0..decimals).rev() {
        digits[at] = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
    let used = digits[..decimals].iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.push('.');
    out.extend(digits[..used].iter().map(|digit| *digit as char));
}

/// Writes a moment as `2026-01-01T00:00:00.000Z`. Years outside 0 to 9999 are held at those.
pub fn write_timestamp(out: &mut String, moment: Timestamp) {
    const FIRST: i64 = -62_167_219_200_000;
    const LAST: i64 = 253_402_300_799_999;
    let ms = moment.unix_ms().clamp(FIRST, LAST);
    let (year, month, day) = civil_date(ms.div_euclid(86_400_000));
    let in_day = ms.rem_euclid(86_400_000) as u64;
    write_padded(out, year as u64, 4);
    out.push('-');
    write_padded(out, month, 2);
    out.push('-');
    write_padded(out, day, 2);
    out.push('T');
    write_padded(out, in_day / 3_600_000, 2);
    out.push(':');
    write_padded(out, in_day / 60_000 % 60, 2);
    out.push(':');
    write_padded(out, in_day / 1000 % 60, 2);
    out.push('.');
    write_padded(out, in_day % 1000, 3);
    out.push('Z');
}

fn write_padded(out: &mut String, number: u64, width: u32) {
    for place in (0..width).rev() {
        out.push((b'0' + (number / 10u64.pow(place) % 10) as u8) as char);
    }
}

/// Year, month and day of a day counted from 1970-01-01 in the proleptic Gregorian calendar.
///
/// Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_date(days: i64) -> (i64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u64, day as u64)
}

/// Writes a JSON string with its quotes.
pub fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped: &str = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => {
                out.push_str(&text[plain_from..at]);
                out.push_str("\\u00");
                out.push(char::from(b'0' + (byte >> 4)));
                out.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
                plain_from = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        out.push_str(escaped);
        plain_from = at + 1;
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn celsius(steps: i32) -> String {
        let mut out = String::new();
        write_celsius(&mut out, Celsius::from_stored(steps));
        out
    }

    #[test]
    fn a_number_is_its_shortest_decimal() {
        assert_eq!(celsius(485_000), "48.5");
        assert_eq!(celsius(480_000), "48");
        assert_eq!(celsius(0), "0");
        assert_eq!(celsius(-1), "-0.0001");
        assert_eq!(celsius(-2_731_500), "-273.15");
        let mut out = String::new();
        write_location(&mut out, Location::from_stored(-900_000_000, 456_974_001));
        assert_eq!(out, r#"{"lat":-90,"lon":45.6974001}"#);
    }

    #[test]
    fn a_moment_is_utc_with_three_decimals() {
        let text = |ms| {
            let mut out = String::new();
            write_timestamp(&mut out, Timestamp::from_unix_ms(ms));
            out
        };
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(1_767_225_600_000), "2026-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(text(i64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_string_is_escaped_as_json_wants_it() {
        let mut out = String::new();
        write_json_string(&mut out, "a\"b\\c\n\u{1}ü<b>");
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\u0001ü<b>\"");
        assert_eq!(serde_json::from_str::<String>(&out).expect("valid JSON"), "a\"b\\c\n\u{1}ü<b>");
    }
}
