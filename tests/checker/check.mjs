// Compares what was acknowledged with what a server has, after faults. Shares no code with the server.
//
// Input: the readings of a history (history.mjs), the exported event log, the devices as the API shows them, tracks
// of some devices, and captures of the live stream. The report counts and lists each kind of damage by itself.

import { isDeepStrictEqual } from "node:util";

import { fold, unknownDevice, view } from "../reference/device.mjs";
import { checkStream } from "./stream_capture.mjs";

/** The damages a report can list; a clean run has none of any kind. */
export const DAMAGES = [
  "lost", "refusedButStored", "altered", "unexplained", "duplicated", "positionsNotGrowing", "versionGaps",
  "orderViolations", "stateMismatches", "trackMismatches", "streamFaults",
];

/**
 * @param {object} evidence
 * @param {object[]} evidence.readings  of `readHistory`
 * @param {object[]} evidence.events    the exported log, in its order
 * @param {object[]} evidence.devices   all devices as listed by the API
 * @param {Map<string, object[]>} [evidence.tracks]  points of some devices' tracks
 * @param {object[][]} [evidence.streams]  captures, each from the start of the log
 */
export function check({ readings, events, devices, tracks = new Map(), streams = [] }) {
  const report = {
    attempted: readings.length,
    acked: readings.filter((reading) => reading.outcome === "acked").length,
    recovered: 0,
    events: events.length,
    devices: devices.length,
    ...Object.fromEntries(DAMAGES.map((damage) => [damage, []])),
  };
  const effects = match(readings, events, report);
  checkEffects(readings, effects, report);
  checkPositions(events, report);
  const streamsOfDevices = groupByDevice(events);
  checkVersions(streamsOfDevices, report);
  checkOrder(effects, report);
  checkState(streamsOfDevices, devices, report);
  checkTracks(readings, tracks, report);
  streams.forEach((capture, number) => {
    report.streamFaults.push(...checkStream(capture, events).map((fault) => ({ stream: number, ...fault })));
  });
  return report;
}

/** True when the report lists no damage. */
export function isClean(report) {
  return DAMAGES.every((damage) => report[damage].length === 0);
}

/** One line of counts, then the first few of each damage. */
export function describe(report) {
  const counts = ["attempted", "acked", "recovered", "events", "devices"].map((name) => `${name} ${report[name]}`);
  const damages = DAMAGES.map((damage) => `${damage} ${report[damage].length}`);
  const samples = DAMAGES.flatMap((damage) => report[damage].slice(0, 5).map((one) => `  ${damage}: ${JSON.stringify(one)}`));
  return [[...counts, ...damages].join(" · "), ...samples].join("\n");
}

const VALUE_OF = new Map([
  ["DeviceHasBeenCreated", "temperature"],
  ["DeviceTemperatureHasIncreased", "temperature"],
  ["DeviceTemperatureHasDecreased", "temperature"],
  ["SimilarDeviceTemperatureWasTraced", "temperature"],
  ["DeviceLocationHasChanged", "location"],
  ["DeviceLocationHasChangedToAVeryCloseLocation", "location"],
]);

/** Finds the reading of each event: by its id, or by the temperature that only one reading of the device has. */
function match(readings, events, report) {
  const byId = new Map();
  const byTemperature = new Map();
  const key = (deviceId, mark) => `${deviceId}\u0000${mark}`;
  for (const reading of readings) {
    if (reading.readingId !== null) byId.set(key(reading.deviceId, reading.readingId), reading);
    else byTemperature.set(key(reading.deviceId, Number(reading.temperature)), reading);
  }
  const effects = [];
  for (const event of events) {
    const value = VALUE_OF.get(event.type);
    if (value === undefined) continue;
    const reading = byId.get(key(event.deviceId, event.readingId))
      ?? byTemperature.get(key(event.deviceId, event.temperature));
    if (reading === undefined) report.unexplained.push(brief(event));
    else effects.push({ reading, event, value });
  }
  return effects;
}

function checkEffects(readings, effects, report) {
  const raised = new Map();
  for (const { reading, event, value } of effects) {
    const values = raised.get(reading) ?? raised.set(reading, new Set()).get(reading);
    if (values.has(value)) report.duplicated.push({ sequence: reading.sequence, ...brief(event) });
    values.add(value);
    if (event.temperature !== Number(reading.temperature) || reading.late) {
      report.altered.push({ sent: reading.temperature, late: reading.late ?? false, ...brief(event) });
    }
  }
  for (const reading of readings) {
    const present = raised.get(reading)?.has("temperature") ?? false;
    if (reading.outcome === "acked" && !present && !reading.late) report.lost.push(reading);
    if (reading.outcome === "refused" && present) report.refusedButStored.push(reading);
    if (reading.outcome === "unknown" && present) report.recovered += 1;
  }
}

function checkPositions(events, report) {
  let last = 0;
  for (const event of events) {
    if (!Number.isSafeInteger(event.position) || event.position <= last) {
      report.positionsNotGrowing.push({ after: last, ...brief(event) });
    }
    last = event.position;
  }
}

function groupByDevice(events) {
  const devices = new Map();
  for (const event of events) {
    const own = devices.get(event.deviceId);
    if (own === undefined) devices.set(event.deviceId, [event]);
    else own.push(event);
  }
  return devices;
}

function checkVersions(streamsOfDevices, report) {
  for (const events of streamsOfDevices.values()) {
    events.forEach((event, index) => {
      const expected = index === 0 ? 1 : events[index - 1].version + 1;
      if (event.version !== expected) report.versionGaps.push({ expected, ...brief(event) });
    });
  }
}

/** Readings of a device are sent one after another, so their events follow their sequence. */
function checkOrder(effects, report) {
  const newest = new Map();
  const seen = new Set();
  for (const { reading, event } of effects) {
    if (seen.has(reading)) continue;
    seen.add(reading);
    const last = newest.get(reading.deviceId) ?? -1;
    if (reading.sequence < last) report.orderViolations.push({ sequence: reading.sequence, after: last, ...brief(event) });
    else newest.set(reading.deviceId, reading.sequence);
  }
}

/** The state that the API shows is the fold of the device's events, for all devices and no others. */
function checkState(streamsOfDevices, devices, report) {
  const shown = new Map(devices.map((device) => [device.deviceId, device]));
  for (const [deviceId, events] of streamsOfDevices) {
    const device = unknownDevice();
    for (const event of events) fold(device, event);
    const actual = shown.get(deviceId);
    shown.delete(deviceId);
    if (!device.exists && actual === undefined) continue;
    const expected = device.exists ? view(device) : null;
    const compared = actual === undefined ? null
      : { temperature: actual.temperature, location: actual.location, lastSeen: actual.lastSeen, version: actual.version };
    if (!isDeepStrictEqual(compared, expected)) report.stateMismatches.push({ deviceId, shown: compared, folded: expected });
  }
  for (const deviceId of shown.keys()) report.stateMismatches.push({ deviceId, shown: "device", folded: null });
}

/** The track of a device holds each acknowledged reading once, late ones marked, and no reading twice. */
function checkTracks(readings, tracks, report) {
  for (const [deviceId, points] of tracks) {
    const counted = new Map();
    for (const point of points) {
      const mark = `${point.temperature}${point.late === true ? " late" : ""}`;
      counted.set(mark, (counted.get(mark) ?? 0) + 1);
    }
    for (const reading of readings) {
      if (reading.deviceId !== deviceId) continue;
      const mark = `${Number(reading.temperature)}${reading.late ? " late" : ""}`;
      const times = counted.get(mark) ?? 0;
      const wanted = reading.outcome === "acked" ? times === 1 : times <= 1;
      if (!wanted) report.trackMismatches.push({ deviceId, sequence: reading.sequence, late: reading.late ?? false, times });
      counted.delete(mark);
    }
    for (const mark of counted.keys()) report.trackMismatches.push({ deviceId, unexplained: mark });
  }
}

const brief = ({ type, deviceId, version, position, readingId, temperature }) =>
  ({ type, deviceId, version, position, readingId, temperature });
