import assert from "node:assert/strict";
import { test } from "node:test";

import { fold, record, unknownDevice, view } from "./device.mjs";
import { DEFAULT_SETTINGS, readReading } from "./reading.mjs";

const CLOCK = Date.parse("2026-01-01T00:00:00.000Z");

/** A device to which readings `[temperature, lat, lon, more]` are sent one after another. */
function after(readings, settings = DEFAULT_SETTINGS) {
  const device = unknownDevice();
  const results = readings.map(([temperature, lat = "0", lon = "0", more = {}]) => {
    const { clockMs = CLOCK, ...fields } = more;
    const { reading, refused } = readReading({ deviceId: "d", temperature, lat, lon, ...fields }, clockMs, settings);
    assert.equal(refused, undefined);
    return record(device, reading, settings);
  });
  return { device, results, last: results.at(-1), events: results.flatMap((result) => result.events) };
}

const types = (events) => events.map((event) => event.type);
const at = (ms) => ({ at: new Date(CLOCK + ms).toISOString() });

test("the first reading raises DeviceHasBeenCreated, alone", () => {
  const { events } = after([["48.50", "38.5698", "45.6974", { readingId: "x1" }]]);
  assert.deepEqual(events, [{
    type: "DeviceHasBeenCreated", deviceId: "d", version: 1, at: "2026-01-01T00:00:00.000Z", readingId: "x1",
    temperature: 48.5, location: { lat: 38.5698, lon: 45.6974 },
  }]);
});

test("a reading equal to the current values raises nothing", () => {
  assert.deepEqual(after([["20"], ["20.0"]]).last, { outcome: "accepted", events: [] });
});

test("a small difference to the notified temperature is similar and moves only the current value", () => {
  const { events, device } = after([["20"], ["21.5"], ["22"], ["22.0001"]]);
  assert.deepEqual(types(events), [
    "DeviceHasBeenCreated", "SimilarDeviceTemperatureWasTraced", "SimilarDeviceTemperatureWasTraced",
    "DeviceTemperatureHasIncreased",
  ]);
  const { temperature, previousTemperature, notifiedTemperature } = events[3];
  assert.deepEqual([temperature, previousTemperature, notifiedTemperature], [22.0001, 22, 20]);
  assert.equal(view(device).temperature, 22.0001);
});

test("a temperature below the notified one by more than the threshold has decreased", () => {
  const { last } = after([["20"], ["17.9999"]]);
  assert.deepEqual(last.events, [{
    type: "DeviceTemperatureHasDecreased", deviceId: "d", version: 2, at: "2026-01-01T00:00:00.000Z", readingId: null,
    temperature: 17.9999, previousTemperature: 20, notifiedTemperature: 20, location: { lat: 0, lon: 0 },
  }]);
});

test("the direction is told from the notified value, not from the current one", () => {
  // Current 21.9 was not notified: 23 is above both, but 18.5 lies below the current and is similar to 20.
  assert.equal(after([["20"], ["21.9"], ["18.5"]]).last.events[0].type, "SimilarDeviceTemperatureWasTraced");
  assert.equal(after([["20"], ["18.1"], ["22.5"], ["21"]]).last.events[0].type, "SimilarDeviceTemperatureWasTraced");
});

test("a difference of exactly the threshold is similar", () => {
  const settings = { ...DEFAULT_SETTINGS, temperatureThreshold: "0.05" };
  assert.equal(after([["10.30"], ["10.35"]], settings).last.events[0].type, "SimilarDeviceTemperatureWasTraced");
  assert.equal(after([["10.30"], ["10.3501"]], settings).last.events[0].type, "DeviceTemperatureHasIncreased");
  assert.equal(after([["10.30"], ["10.25"]], settings).last.events[0].type, "SimilarDeviceTemperatureWasTraced");
});

test("values are compared after rounding", () => {
  assert.deepEqual(after([["20"], ["20.00004999"], ["20.00005"]]).events.length, 1);
  assert.equal(after([["20"], ["20.00015"]]).last.events[0].temperature, 20.0002);
  assert.equal(after([["0"], ["-0.0"], ["-0e5"]]).events.length, 1);
});

test("a short way from the notified location moves only the current location", () => {
  // 0.008° of latitude are 0.8896 km.
  const { events } = after([["20", "0", "0"], ["20", "0.008", "0"], ["20", "0.016", "0"]]);
  assert.deepEqual(types(events), [
    "DeviceHasBeenCreated", "DeviceLocationHasChangedToAVeryCloseLocation", "DeviceLocationHasChanged",
  ]);
  assert.deepEqual(events[2], {
    type: "DeviceLocationHasChanged", deviceId: "d", version: 3, at: "2026-01-01T00:00:00.000Z", readingId: null,
    location: { lat: 0.016, lon: 0 }, previousLocation: { lat: 0.008, lon: 0 }, notifiedLocation: { lat: 0, lon: 0 },
    temperature: 20,
  });
});

test("crossing the antimeridian or turning on a pole is no distance", () => {
  const close = "DeviceLocationHasChangedToAVeryCloseLocation";
  assert.equal(after([["20", "0", "180"], ["20", "0", "-180"]]).last.events[0].type, close);
  assert.equal(after([["20", "0", "179.9999"], ["20", "0", "-179.9999"]]).last.events[0].type, close);
  assert.equal(after([["20", "90", "0"], ["20", "90", "120"]]).last.events[0].type, close);
  assert.equal(after([["20", "0", "0"], ["20", "0", "180"]]).last.events[0].type, "DeviceLocationHasChanged");
});

test("temperature comes before location, with versions in that order", () => {
  const { last } = after([["20", "0", "0"], ["30", "1", "1"]]);
  assert.deepEqual(last.events.map(({ type, version }) => [type, version]), [
    ["DeviceTemperatureHasIncreased", 2], ["DeviceLocationHasChanged", 3],
  ]);
});

test("a late reading changes nothing and is counted, an equal time is not late", () => {
  const { results, device } = after([
    ["20", "0", "0", at(0)], ["30", "0", "0", at(-1)], ["40", "0", "0", at(0)], ["50", "0", "0", at(5)],
  ]);
  assert.deepEqual(results.map((result) => result.outcome), ["created", "late", "accepted", "accepted"]);
  assert.deepEqual([device.version, device.lateReadings], [3, 1]);
});

test("a reading without a time is never late", () => {
  const { last, device } = after([["20", "0", "0", at(60_000)], ["30"]]);
  assert.equal(last.outcome, "accepted");
  assert.equal(last.events[0].at, "2026-01-01T00:01:00.000Z");
  assert.equal(view(device).lastSeen, "2026-01-01T00:01:00.000Z");
});

test("a reading id among the last 16 is a repeat, an older one is not", () => {
  const numbered = (n) => [String((n % 2) * 50), "0", "0", { readingId: `r${n}` }];
  const first = Array.from({ length: 16 }, (_, n) => numbered(n));
  assert.equal(after([...first, numbered(0)]).last.outcome, "duplicate");
  assert.equal(after([...first, numbered(16), numbered(0)]).last.outcome, "accepted");
  assert.equal(after([...first, numbered(16), numbered(1)]).last.outcome, "duplicate");
});

test("replaying the events of any readings gives their state", () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 200; round += 1) {
    const readings = Array.from({ length: 30 }, () => [
      `${random(60) - 30}.${random(99999)}`, `${random(3) - 1}.${random(99)}`, `${random(3)}.00${random(99)}`,
      at(random(40)),
    ]);
    const { device, events } = after(readings);
    const replayed = unknownDevice();
    for (const event of events) fold(replayed, event);
    // Newest time and known ids are observations: they may be newer than the last event.
    const kept = ({ newestAt, readingIds, lateReadings, ...state }) => state;
    assert.deepEqual(kept(replayed), kept(device));
  }
});

test("a forgotten device is created anew and its versions go on", () => {
  const { device } = after([["20"], ["30"]]);
  fold(device, { type: "DeviceHasBeenForgotten", version: 3 });
  const { reading } = readReading({ deviceId: "d", temperature: "20", lat: "0", lon: "0" }, CLOCK);
  assert.deepEqual(record(device, reading).events.map(({ type, version }) => [type, version]), [
    ["DeviceHasBeenCreated", 4],
  ]);
});
