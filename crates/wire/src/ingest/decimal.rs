//! Decimal numbers, read exactly from their text.

use std::cmp::Ordering;

/// A number counted in steps of 10^-`places`: between which two counts it lies, and to which it rounds.
///
/// Counts saturate far outside of everything that is believed, so that `1e999999999` costs no more than `1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The greatest count that is not above the number.
    pub floor: i64,
    /// The least count that is not below the number.
    pub ceiling: i64,
    /// The nearest count; of two equally near the even one.
    pub nearest: i64,
}

/// Beyond this a count only has to stay beyond it.
const HUGE: u64 = 1_000_000_000_000_000_000;

/// 10^0 to 10^18.
pub(super) const POWERS_OF_10: [u64; 19] = {
    let mut powers = [1; 19];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

impl Steps {
    /// Reads a decimal: an optional sign, digits with an optional point, an optional exponent. `None` for anything else.
    ///
    /// That is a little more than JSON's grammar (`+1`, `.5`, `5.` and `007` too), for numbers that come as text; JSON's
    /// own were held to their grammar before.
    pub fn parse(text: &str, places: u32) -> Option<Self> {
        let (is_negative, unsigned) = split_sign(text.as_bytes());
        let mantissa_length = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(unsigned.len());
        let (mantissa, exponent) = unsigned.split_at(mantissa_length);
        let whole_length = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
        let (whole, fraction) = mantissa.split_at(whole_length);
        let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
        let is_number = whole.len() + fraction.len() > 0 && [whole, fraction].into_iter().flatten().all(u8::is_ascii_digit);
        if !is_number {
            return None;
        }
        // How many of the digits count whole steps; beyond them lie digits of less than a step.
        let counting = i64::try_from(whole.len()).ok()?.saturating_add(parse_exponent(exponent)?).saturating_add(i64::from(places));
        Some(Self::from_magnitude(is_negative, Magnitude::of_digits([whole, fraction], counting)))
    }

    /// Counts a number of which these are all the digits, the last `fraction_length` of them behind the point. `None` for
    /// more digits than are counted here.
    pub(super) fn of_digits(is_negative: bool, digits: u64, fraction_length: u32, places: u32) -> Option<Self> {
        let magnitude = if fraction_length <= places {
            let count =
                digits.checked_mul(*POWERS_OF_10.get((places - fraction_length) as usize)?).filter(|count| *count < HUGE)?;
            Magnitude { count: count as i64, rest: Rest::Nothing }
        } else {
            let step = *POWERS_OF_10.get((fraction_length - places) as usize)?;
            let (count, rest) = (digits / step, digits % step);
            let rest = match (rest, rest.cmp(&(step / 2))) {
                (0, _) => Rest::Nothing,
                (_, Ordering::Less) => Rest::BelowHalf,
                (_, Ordering::Equal) => Rest::Half,
                (_, Ordering::Greater) => Rest::AboveHalf,
            };
            Magnitude { count: i64::try_from(count).ok()?, rest }
        };
        Some(Self::from_magnitude(is_negative, magnitude))
    }

    fn from_magnitude(is_negative: bool, Magnitude { count, rest }: Magnitude) -> Self {
        let away_from_zero = count + i64::from(rest != Rest::Nothing);
        let is_rounded_away = rest == Rest::AboveHalf || (rest == Rest::Half && count % 2 == 1);
        let nearest = count + i64::from(is_rounded_away);
        if is_negative {
            Self { floor: -away_from_zero, ceiling: -count, nearest: -nearest }
        } else {
            Self { floor: count, ceiling: away_from_zero, nearest }
        }
    }
}

/// Whole steps, and what is left of less than one.
struct Magnitude {
    count: i64,
    rest: Rest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    BelowHalf,
    Half,
    AboveHalf,
}

impl Magnitude {
    /// The first `counting` digits count steps, zeros are added where there are fewer; the others are the rest.
    fn of_digits(parts: [&[u8]; 2], counting: i64) -> Self {
        let mut count = 0u64;
        let mut place = 0i64;
        let mut rest = Rest::Nothing;
        // A step before the first digit stands for at least one zero between the point and the digits.
        let first_of_rest = counting.max(0);
        for digit in parts.into_iter().flatten().map(|byte| byte - b'0') {
            if place < counting {
                count = append(count, digit);
            } else if place == first_of_rest && counting >= 0 {
                rest = match digit {
                    0 => Rest::Nothing,
                    1..=4 => Rest::BelowHalf,
                    5 => Rest::Half,
                    _ => Rest::AboveHalf,
                };
            } else if digit != 0 {
                rest = match rest {
                    Rest::Nothing | Rest::BelowHalf => Rest::BelowHalf,
                    Rest::Half | Rest::AboveHalf => Rest::AboveHalf,
                };
            }
            place += 1;
        }
        while place < counting && (1..HUGE).contains(&count) {
            count = append(count, 0);
            place += 1;
        }
        Self { count: count as i64, rest }
    }
}

/// Whether a number begins with a minus, and what follows its sign.
fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text.strip_prefix(b"-") {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix(b"+").unwrap_or(text)),
    }
}

fn append(count: u64, digit: u8) -> u64 {
    (count * 10 + u64::from(digit)).min(HUGE)
}

/// The value of `e+12`, held within what matters; 0 where there is no exponent.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let [b'e' | b'E', signed @ ..] = text else {
        return Some(0);
    };
    let (is_negative, digits) = split_sign(signed);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0u64, |value, digit| append(value, digit - b'0')) as i64;
    Some(if is_negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::{Decimal, RoundingStrategy};

    fn nearest(text: &str) -> i64 {
        Steps::parse(text, 4).expect("a number").nearest
    }

    #[test]
    fn a_number_is_rounded_half_to_even() {
        for (text, steps) in [
            ("48.5", 485_000),
            ("0.00005", 0),
            ("0.00015", 2),
            ("0.000150000000000000000000000000000001", 2),
            ("0.00025", 2),
            ("0.000250000000000000000000000000000001", 3),
            ("-0.00015", -2),
            ("-0", 0),
            ("-0.0000", 0),
            ("0.00004999999", 0),
            ("0.00000999999", 0),
        ] {
            assert_eq!(nearest(text), steps, "{text}");
        }
    }

    #[test]
    fn an_exponent_moves_the_point_and_costs_nothing() {
        for (text, steps) in [
            ("1e2", 1_000_000),
            ("1E+2", 1_000_000),
            ("12345e-5", 1_234),
            ("1E-400", 0),
            ("0e999999999999999999999999", 0),
            ("1e-00000000000000000000000000000001", 1_000),
            ("1e-99999999999999999999999999999999", 0),
            ("5e-5", 0),
            ("15e-5", 2),
            ("0.5e-4", 0),
            ("0.6e-4", 1),
            ("9e-5", 1),
            ("9e-6", 0),
            ("99e-99", 0),
        ] {
            assert_eq!(nearest(text), steps, "{text}");
        }
        for text in ["1e999", "1e999999999999999999999999", &"9".repeat(100_000)] {
            assert!(Steps::parse(text, 4).expect("a number").floor >= HUGE as i64, "{text}");
        }
    }

    #[test]
    fn a_number_lies_between_two_counts_unless_it_is_one() {
        let above = Steps::parse("90.00000000000000000001", 7).expect("a number");
        assert_eq!((above.floor, above.ceiling, above.nearest), (900_000_000, 900_000_001, 900_000_000));
        let below = Steps::parse("-90.00000000000000000001", 7).expect("a number");
        assert_eq!((below.floor, below.ceiling, below.nearest), (-900_000_001, -900_000_000, -900_000_000));
        let tiny = Steps::parse("-1e-300", 7).expect("a number");
        assert_eq!((tiny.floor, tiny.ceiling, tiny.nearest), (-1, 0, 0));
    }

    #[test]
    fn what_is_no_finite_decimal_is_none() {
        for text in [
            "", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "NaN", "Infinity", "1,5", " 1", "1 ", "1_0", "--1", "1e5.0", "١",
        ] {
            assert_eq!(Steps::parse(text, 4), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn rounding_and_bounds_agree_with_exact_decimals(
            mantissa in prop_oneof![-20_000_000_000i64..20_000_000_000, -200_000i64..200_000, Just(0)],
            scale in 0u32..14,
            zeros in 0usize..4,
            exponent in -6i32..7,
        ) {
            // The mantissa with a point in it, an exponent behind it, and both undone by the model.
            let digits = format!("{:0width$}", mantissa.abs(), width = scale as usize + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
            let sign = if mantissa < 0 { "-" } else { "" };
            let point = if fraction.is_empty() && zeros == 0 { "" } else { "." };
            let text = format!("{sign}{whole}{point}{fraction}{}e{exponent}", "0".repeat(zeros));
            let ten = Decimal::from(10);
            let mut exact = Decimal::new(mantissa, scale);
            for _ in 0..exponent.abs() {
                exact = if exponent > 0 { exact * ten } else { exact / ten };
            }
            let counted = exact * Decimal::from(10_000);
            let huge = Decimal::from(HUGE);
            let count = |decimal: Decimal| i64::try_from(decimal.clamp(-huge, huge)).expect("HUGE is within i64");
            let steps = Steps::parse(&text, 4).expect("a number");
            prop_assert_eq!(steps.floor, count(counted.floor()), "{}", text);
            prop_assert_eq!(steps.ceiling, count(counted.ceil()), "{}", text);
            let rounded = counted.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
            prop_assert_eq!(steps.nearest, count(rounded), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE]{0,40}|.*", places in 0u32..10) {
            let _ = Steps::parse(&text, places);
        }
    }
}
