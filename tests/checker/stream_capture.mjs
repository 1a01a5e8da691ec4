// What one client of `/api/v1/stream` saw over all its connections, compared with the event log.
//
// A capture is a list of `{id, event, data}` in order of arrival; `data` is parsed. A client that was cut and resumed
// with `Last-Event-ID` has one capture, and must have seen every event once and in order.

import { isDeepStrictEqual } from "node:util";

/** Messages that are no events of devices: `overrun` closes a slow client, which then resumes. */
const CONTROL = new Set(["hello", "overrun"]);

/** Faults of a capture that began before the first event and ended after the last. */
export function checkStream(capture, events) {
  const faults = [];
  const logIds = new Set();
  const times = new Map();
  let last = 0;
  for (const { id, event, data } of capture) {
    if (event === "hello") logIds.add(data.logId);
    if (event === "gap") faults.push({ fault: "gap", ...data });
    if (CONTROL.has(event) || event === "gap") continue;
    times.set(data.position, [...(times.get(data.position) ?? []), data]);
    if (id !== String(data.position)) faults.push({ fault: "id is not the position", id, position: data.position });
    if (event !== data.type) faults.push({ fault: "name is not the type", event, type: data.type });
    if (data.position < last) faults.push({ fault: "out of order", position: data.position, after: last });
    last = data.position;
  }
  if (logIds.size > 1) faults.push({ fault: "another log", logIds: [...logIds] });
  for (const event of events) {
    const seen = times.get(event.position) ?? [];
    times.delete(event.position);
    if (seen.length === 0) faults.push({ fault: "missed", position: event.position, deviceId: event.deviceId });
    if (seen.length > 1) faults.push({ fault: "doubled", position: event.position, deviceId: event.deviceId });
    if (seen.some((data) => !isDeepStrictEqual(data, event))) faults.push({ fault: "differs from the log", position: event.position });
  }
  for (const position of times.keys()) faults.push({ fault: "not in the log", position });
  return faults;
}
