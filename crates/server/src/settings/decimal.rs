//! Decimal numbers as whole steps of 0.0001, read without a detour through binary floating point.

const DECIMALS: usize = 4;

/// Reads `-273.15` as -2 731 500 steps of 0.0001; `None` when it is no plain decimal number or has digits beyond the
/// fourth place that are not zero.
pub(super) fn parse_steps(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if whole.is_empty() || fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kept, beyond) = fraction.split_at(fraction.len().min(DECIMALS));
    if beyond.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let steps = format!("{whole}{kept:0<DECIMALS$}").parse::<i64>().ok()?;
    Some(if negative { -steps } else { steps })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_taken_exactly_as_written() {
        assert_eq!(parse_steps("0.05"), Some(500));
        assert_eq!(parse_steps("-273.15"), Some(-2_731_500));
        assert_eq!(parse_steps("2"), Some(20_000));
        assert_eq!(parse_steps("+2.50000000"), Some(25_000));
    }

    #[test]
    fn what_is_no_plain_decimal_or_too_fine_is_refused() {
        for text in ["", "-", ".5", "5.", "1e2", "nan", "inf", "0.00005", "1_000", "99999999999999999999", "2,5"] {
            assert_eq!(parse_steps(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn steps_written_with_four_decimals_read_back(whole in 0_i64..1_000_000, fraction in 0_i64..10_000, negative: bool) {
            let sign = if negative { -1 } else { 1 };
            let text = format!("{}{whole}.{fraction:04}", if negative { "-" } else { "" });
            prop_assert_eq!(parse_steps(&text), Some(sign * (whole * 10_000 + fraction)));
        }
    }
}
