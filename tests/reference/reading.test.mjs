import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULT_SETTINGS, parseTime, readReading } from "./reading.mjs";

const CLOCK = Date.parse("2026-01-01T00:00:00.000Z");
const GOOD = { deviceId: "AL-0012", temperature: "48.5", lat: "38.5698", lon: "45.6974" };
const refusedFields = (changes, settings = DEFAULT_SETTINGS) =>
  readReading({ ...GOOD, ...changes }, CLOCK, settings).refused ?? [];

test("limits are checked exactly as written, before rounding", () => {
  const cases = [
    [{ lat: "90" }, []], [{ lat: "-90.0" }, []], [{ lon: "180e0" }, []], [{ lon: "-1.8e2" }, []],
    [{ lat: "90.000000000000000001" }, ["lat"]], [{ lon: "-180.00000000000000000001" }, ["lon"]],
    [{ temperature: "100" }, []], [{ temperature: "100.00000000000001" }, ["temperature"]],
    [{ temperature: "1e999" }, ["temperature"]], [{ temperature: "NaN" }, ["temperature"]],
    [{ temperature: "1e-400" }, []], [{ temperature: `48.${"1".repeat(5000)}` }, []],
    [{ temperature: undefined, lon: "181" }, ["temperature", "lon"]],
  ];
  for (const [changes, expected] of cases) assert.deepEqual(refusedFields(changes), expected, JSON.stringify(changes));
});

test("a limit of zero refuses the smallest negative number", () => {
  assert.deepEqual(refusedFields({ temperature: "-1e-999999" }, { ...DEFAULT_SETTINGS, temperatureMin: "0" }), ["temperature"]);
});

test("a device id is 1 to 128 bytes without control characters, and no path of dots", () => {
  const good = ["a", "é".repeat(64), "<b>", "a/b", "..."];
  const bad = ["", "é".repeat(65), ".", "..", "a\u0000", "a\n", "\u0085", "x".repeat(10_000)];
  for (const deviceId of good) assert.deepEqual(refusedFields({ deviceId }), [], deviceId);
  for (const deviceId of bad) assert.deepEqual(refusedFields({ deviceId }), ["deviceId"], deviceId);
});

test("a reading id is 1 to 64 printable ASCII characters", () => {
  for (const readingId of ["x", " ~", "y".repeat(64)]) assert.deepEqual(refusedFields({ readingId }), []);
  for (const readingId of ["", "é", "a\tb", "y".repeat(65)]) assert.deepEqual(refusedFields({ readingId }), ["readingId"]);
});

test("times are read in any offset, and finer than milliseconds are cut", () => {
  assert.equal(parseTime("2026-01-01T01:00:00.0009999+01:00"), CLOCK);
  assert.equal(parseTime("2025-12-31T18:30:00-05:30"), CLOCK);
  assert.equal(parseTime("2024-02-29t00:00:00z"), Date.UTC(2024, 1, 29));
  for (const text of ["2026-02-29T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T24:00:00Z", "0"]) {
    assert.equal(parseTime(text), null, text);
  }
});

test("a time before 1970 or more than five minutes ahead is refused", () => {
  const cases = [
    ["1970-01-01T00:00:00.000Z", []], ["1969-12-31T23:59:59.999Z", ["at"]],
    ["2026-01-01T00:05:00.000Z", []], ["2026-01-01T00:05:00.001Z", ["at"]], ["9999-12-31T23:59:59Z", ["at"]],
  ];
  for (const [at, expected] of cases) assert.deepEqual(refusedFields({ at }), expected, at);
});
