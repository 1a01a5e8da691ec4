// Exact decimal numbers, read from their text.
//
// The reference model must not inherit a rounding error from binary floating point, so a number stays
// what was written until it is rounded on purpose. A decimal is `units * 10^-scale`.

/** Beyond this many digits before or after the point a number only has to compare correctly. */
const HORIZON = 60;

const NUMBER = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * Reads a decimal exactly, exponents included; `null` when the text is no finite number.
 *
 * Numbers beyond 10^60 become 10^60, and those nearer to zero than 10^-60 become 10^-60, sign kept: no limit
 * of the contract lies out there, and `1e999999999` must not become a gigabyte of digits.
 */
export function parseDecimal(text) {
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const [, sign, whole, fraction = "", exponentText = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  if (digits === "") return { units: 0n, scale: 0 };

  const exponent = Number(exponentText) - fraction.length;
  const negative = sign === "-";
  const magnitude = digits.length + exponent;
  if (magnitude > HORIZON) return signed({ units: 10n ** BigInt(HORIZON), scale: 0 }, negative);
  if (magnitude < -HORIZON) return signed({ units: 1n, scale: HORIZON }, negative);

  const units = BigInt(digits);
  return exponent >= 0
    ? signed({ units: units * 10n ** BigInt(exponent), scale: 0 }, negative)
    : signed({ units, scale: -exponent }, negative);
}

function signed(decimal, negative) {
  return negative ? { ...decimal, units: -decimal.units } : decimal;
}

/** The decimal that a JSON number stands for: its shortest text, read exactly. */
export function decimalOf(number) {
  return parseDecimal(String(number));
}

/** Negative, zero or positive, as `left` is below, equal to or above `right`. */
export function compare(left, right) {
  const scale = Math.max(left.scale, right.scale);
  const difference = unitsAt(left, scale) - unitsAt(right, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function unitsAt(decimal, scale) {
  return decimal.units * 10n ** BigInt(scale - decimal.scale);
}

/** Rounds half to even; the result counts steps of 10^-places. */
export function roundHalfEven(decimal, places) {
  if (decimal.scale <= places) return unitsAt(decimal, places);
  const divisor = 10n ** BigInt(decimal.scale - places);
  const negative = decimal.units < 0n;
  const units = negative ? -decimal.units : decimal.units;
  const quotient = units / divisor;
  const twiceRemainder = (units % divisor) * 2n;
  const up = twiceRemainder > divisor || (twiceRemainder === divisor && quotient % 2n === 1n);
  const rounded = up ? quotient + 1n : quotient;
  return negative ? -rounded : rounded;
}

/** Shortest decimal text of a count of 10^-places: no exponent, no trailing zero, no `-0`. */
export function textOf(units, places) {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, "");
  return (negative ? "-" : "") + (fraction === "" ? whole : `${whole}.${fraction}`);
}
