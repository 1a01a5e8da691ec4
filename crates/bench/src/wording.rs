//! How numbers are written in the report.

use std::time::Duration;

/// A count with its thousands apart: `1 234 567`.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn per_second(value: f64) -> String {
    format!("{}/s", count(value))
}

pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

pub(crate) fn micros(nanos: f64) -> String {
    format!("{:.1} µs", nanos / 1e3)
}

pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", count(bytes as f64 / 1e6))
}

/// Several measurements of one thing, in the order they were taken: `1 200, 1 300, 1 250`.
pub(crate) fn series(values: &[f64]) -> String {
    values.iter().map(|value| count(*value)).collect::<Vec<_>>().join(", ")
}

/// The middle one; of an even number the lower middle. Zero of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    if sorted.is_empty() { 0.0 } else { sorted[(sorted.len() - 1) / 2] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (value, text) in [(0.0, "0"), (999.4, "999"), (1_000.0, "1 000"), (1_234_567.8, "1 234 568"), (-3.0, "0")] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn the_median_is_one_of_what_was_measured() {
        assert_eq!(count(median(&[3.0, 1.0, 2.0])), "2");
        assert_eq!(count(median(&[4.0, 1.0])), "1");
        assert_eq!(count(median(&[])), "0");
    }
}
