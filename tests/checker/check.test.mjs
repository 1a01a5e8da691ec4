import assert from "node:assert/strict";
import { test } from "node:test";

import { Fleet } from "../reference/fleet.mjs";
import { check, DAMAGES, describe, isClean } from "./check.mjs";
import { outcomes } from "./history.mjs";

const CLOCK = Date.parse("2026-01-01T00:00:00.000Z");

/** A small run without damage: two devices, three readings each, one reading without an id, one never answered. */
function healthyRun() {
  const fleet = new Fleet();
  const entries = [];
  const events = [];
  let request = 0;
  for (let sequence = 0; sequence < 3; sequence += 1) {
    for (const deviceId of ["a", "b"]) {
      request += 1;
      const temperature = sequence % 2 === 0 ? `10.000${sequence}` : `50.000${sequence}`;
      const readingId = deviceId === "b" && sequence === 1 ? null : `${deviceId}-${sequence}`;
      const at = new Date(CLOCK + sequence * 1000).toISOString();
      const reading = { deviceId, readingId, sequence, temperature, lat: "1", lon: "2", at, late: false };
      entries.push({ what: "sent", request, time: request, readings: [reading] });
      entries.push({ what: request === 6 ? "unknown" : "acked", request, time: request });
      // Ingest gives an id where the device gave none.
      const raised = fleet.take({ ...reading, readingId: readingId ?? "given" }, CLOCK + 60_000);
      for (const { at: eventAt, readingId: id, type, deviceId: device, version, ...values } of raised.events) {
        const position = events.length * 2 + 1;
        events.push({ type, deviceId: device, version, position, at: eventAt, recordedAt: eventAt, readingId: id, ...values });
      }
    }
  }
  const devices = fleet.views().map(([deviceId, { lateReadings, ...shown }]) => ({ deviceId, ...shown }));
  return { entries, events, devices, capture: captureOf(events), tracks: new Map() };
}

const captureOf = (events) => [
  { id: "0", event: "hello", data: { logId: "log", position: 0 } },
  ...events.map((event) => ({ id: String(event.position), event: event.type, data: event })),
];

/** Damages a healthy run and answers the names of the damages that the checker then lists. */
function damagesAfter(damage) {
  const run = healthyRun();
  damage(run);
  const { entries, capture, ...rest } = run;
  const report = check({ readings: outcomes(entries), streams: [capture], ...rest });
  return DAMAGES.filter((name) => report[name].length > 0);
}

/** Removes an event as if it had never been: versions, state and stream fit to what is left. */
function withoutTrace(run, index) {
  const [gone] = run.events.splice(index, 1);
  const later = run.events.filter((event) => event.deviceId === gone.deviceId && event.version > gone.version);
  for (const event of later) event.version -= 1;
  run.devices.find((device) => device.deviceId === gone.deviceId).version -= 1;
  run.capture = captureOf(run.events);
}

test("a run without damage is clean, and counts what was sent", () => {
  const { entries, events, devices, capture } = healthyRun();
  const report = check({ readings: outcomes(entries), events, devices, streams: [capture] });
  assert.ok(isClean(report), describe(report));
  assert.deepEqual([report.attempted, report.acked, report.recovered, report.events, report.devices], [6, 5, 1, 6, 2]);
});

test("an unanswered reading may be absent", () => {
  assert.deepEqual(damagesAfter((run) => {
    run.events.pop();
    const device = run.devices.find(({ deviceId }) => deviceId === "b");
    Object.assign(device, { temperature: 50.0001, version: 2, lastSeen: "2026-01-01T00:00:01.000Z" });
    run.capture = captureOf(run.events);
  }), []);
});

test("an acknowledged reading without an event is lost, even where nothing else shows it", () => {
  assert.deepEqual(damagesAfter((run) => withoutTrace(run, 2)), ["lost"]);
  // The one without an id, too.
  assert.deepEqual(damagesAfter((run) => withoutTrace(run, 3)), ["lost"]);
});

test("a lost reading is a loss only if it was acknowledged before the cut", () => {
  const run = healthyRun();
  withoutTrace(run, 3);
  const lostAt = (until) => check({ ...run, readings: outcomes(run.entries, until) }).lost.length;
  assert.deepEqual([lostAt(3), lostAt(4)], [0, 1]);
});

test("a reading applied twice is a duplicate", () => {
  assert.deepEqual(damagesAfter((run) => {
    const again = { ...run.events[4], version: 4, position: 99 };
    run.events.push(again);
    run.devices[0].version = 4;
    run.capture = captureOf(run.events);
  }), ["duplicated"]);
});

test("a reading applied twice is a duplicate also when the second event has another type", () => {
  assert.deepEqual(damagesAfter((run) => {
    run.events.push({ ...run.events[4], type: "SimilarDeviceTemperatureWasTraced", version: 4, position: 99 });
    run.devices[0].version = 4;
    run.capture = captureOf(run.events);
  }), ["duplicated"]);
});

test("a position that does not grow is reported", () => {
  for (const position of [run => run.events[1].position, () => 1, () => 2.5, () => null]) {
    assert.ok(damagesAfter((run) => { run.events[2].position = position(run); }).includes("positionsNotGrowing"));
  }
});

test("a gap, a repeat and a wrong start of versions are reported", () => {
  assert.deepEqual(damagesAfter((run) => { run.events[4].version = 4; run.devices[0].version = 4; }), ["versionGaps"]);
  assert.deepEqual(damagesAfter((run) => { run.events[2].version = 1; }), ["versionGaps"]);
  assert.deepEqual(damagesAfter((run) => { run.events[0].version = 2; }), ["versionGaps"]);
});

test("events of one device against the order of sending are reported", () => {
  assert.deepEqual(damagesAfter((run) => {
    const [first, second] = [run.events[2], run.events[4]];
    run.events[2] = { ...second, version: first.version, position: first.position };
    run.events[4] = { ...first, version: second.version, position: second.position };
    Object.assign(run.devices[0], { temperature: first.temperature });
    run.capture = captureOf(run.events);
  }), ["orderViolations"]);
});

test("a state that is not the fold of its events is reported, in each of its parts", () => {
  const changes = [
    { temperature: 10 }, { location: { lat: 1, lon: 2.0000001 } }, { lastSeen: "2026-01-01T00:00:02.001Z" }, { version: 4 },
  ];
  for (const change of changes) {
    assert.deepEqual(damagesAfter((run) => Object.assign(run.devices[0], change)), ["stateMismatches"]);
  }
});

test("a device that only the log or only the API knows is reported", () => {
  assert.deepEqual(damagesAfter((run) => run.devices.pop()), ["stateMismatches"]);
  assert.deepEqual(damagesAfter((run) => run.devices.push({ ...run.devices[0], deviceId: "ghost" })), ["stateMismatches"]);
});

test("an event that no sent reading explains is reported", () => {
  assert.deepEqual(damagesAfter((run) => {
    run.events.push({ ...run.events[0], deviceId: "stranger", readingId: "nobody's", position: 99 });
    run.devices.push({ ...run.devices[0], deviceId: "stranger", version: 1, temperature: 10, lastSeen: run.events[0].at });
    run.capture = captureOf(run.events);
  }), ["unexplained"]);
});

test("a value that is not the one that was sent is reported", () => {
  assert.deepEqual(damagesAfter((run) => { run.events[2].temperature = 50.0002; }), ["altered"]);
});

test("a refused reading that was stored is reported, one refused with 503 is not", () => {
  const refuse = (status) => damagesAfter((run) => {
    Object.assign(run.entries.at(-1), { what: "refused", status });
  });
  assert.deepEqual(refuse(422), ["refusedButStored"]);
  assert.deepEqual(refuse(503), []);
});

test("a track that misses, doubles or invents a point is reported, and late readings are looked for there", () => {
  const points = () => healthyRun().events.filter(({ deviceId }) => deviceId === "a").map(({ temperature, at }) => ({ temperature, at }));
  const damages = (change) => damagesAfter((run) => {
    const track = points();
    run.entries.push(
      { what: "sent", request: 7, time: 7, readings: [{ deviceId: "a", readingId: "old", sequence: 3, temperature: "-5", late: true }] },
      { what: "acked", request: 7, time: 7 },
    );
    track.push({ temperature: -5, late: true });
    change(track);
    run.tracks.set("a", track);
  });
  assert.deepEqual(damages(() => {}), []);
  assert.deepEqual(damages((track) => track.pop()), ["trackMismatches"]);
  assert.deepEqual(damages((track) => delete track.at(-1).late), ["trackMismatches"]);
  assert.deepEqual(damages((track) => track.shift()), ["trackMismatches"]);
  assert.deepEqual(damages((track) => track.push(track[0])), ["trackMismatches"]);
  assert.deepEqual(damages((track) => track.push({ temperature: 33 })), ["trackMismatches"]);
});

test("a stream that misses, doubles, swaps, alters or invents an event is reported", () => {
  const damaged = [
    (capture) => capture.splice(3, 1),
    (capture) => capture.push(capture.at(-1)),
    (capture) => capture.splice(2, 2, capture[3], capture[2]),
    (capture) => { capture[2] = { ...capture[2], data: { ...capture[2].data, temperature: 1 } }; },
    (capture) => { capture[2] = { ...capture[2], id: "12345" }; },
    (capture) => { capture[2] = { ...capture[2], event: "DeviceHasBeenCreated", id: capture[2].id }; capture.pop(); },
    (capture) => capture.push({ id: "999", event: "DeviceHasBeenCreated", data: { type: "DeviceHasBeenCreated", position: 999 } }),
    (capture) => capture.push({ id: "11", event: "gap", data: { reason: "retention" } }),
    (capture) => capture.push({ id: "11", event: "hello", data: { logId: "another" } }),
  ];
  for (const damage of damaged) {
    assert.deepEqual(damagesAfter((run) => damage(run.capture)), ["streamFaults"], String(damage));
  }
});

test("a stream that was cut and resumed is clean", () => {
  assert.deepEqual(damagesAfter((run) => {
    run.capture.splice(3, 0, { id: "3", event: "overrun", data: { resumeFrom: 3 } }, run.capture[0]);
  }), []);
});
