import assert from "node:assert/strict";
import { test } from "node:test";

import { compare, parseDecimal, roundHalfEven, textOf } from "./decimal.mjs";

const rounded = (text, places) => textOf(roundHalfEven(parseDecimal(text), places), places);

test("rounding goes half to even, on both sides of zero", () => {
  const cases = [
    ["0.00005", "0"], ["0.00015", "0.0002"], ["0.00025", "0.0002"], ["0.00035", "0.0004"],
    ["-0.00005", "0"], ["-0.00015", "-0.0002"], ["-0.00025", "-0.0002"],
    ["0.000050000000000000000000000001", "0.0001"], ["0.00004999999999999999999", "0"],
    ["48.50", "48.5"], ["48", "48"], ["-0", "0"], ["-0.0", "0"], ["99.99995", "100"],
  ];
  for (const [written, kept] of cases) assert.equal(rounded(written, 4), kept, written);
});

test("an exponent is read exactly, whatever its size", () => {
  assert.equal(rounded("485e-1", 4), "48.5");
  assert.equal(rounded("0.485E+2", 4), "48.5");
  assert.equal(rounded("1e-99999999", 4), "0");
  assert.equal(compare(parseDecimal("1e999999999"), parseDecimal("10000")), 1);
  assert.equal(compare(parseDecimal("-1e999999999"), parseDecimal("-10000")), -1);
  assert.equal(compare(parseDecimal("-1e-99999999"), parseDecimal("0")), -1);
});

test("comparison sees the last digit that was written", () => {
  assert.equal(compare(parseDecimal("90.00000000000000000000000000001"), parseDecimal("90")), 1);
  assert.equal(compare(parseDecimal("90.000"), parseDecimal("90")), 0);
});

test("what is no finite number is not read", () => {
  for (const text of ["", "NaN", "Infinity", "1.", ".5", "1e", "0x10", "1 ", "--1"]) {
    assert.equal(parseDecimal(text), null, text);
  }
});

test("small and negative counts are written without exponent", () => {
  assert.equal(textOf(1n, 7), "0.0000001");
  assert.equal(textOf(-1n, 7), "-0.0000001");
  assert.equal(textOf(-1_800_000_000n, 7), "-180");
});
