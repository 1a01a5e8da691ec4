// Gathers from a server what the checker compares with the history.

import { check } from "../checker/check.mjs";
import { readHistory } from "../checker/history.mjs";

const TRACKED_DEVICES = 8;
/** The most that the server gives; more than any device of these tests has. */
const MOST_POINTS = 10_000;

/** Waits until the server is at rest, gathers its events, devices and some tracks, and runs the checker. */
export async function examine(server, historyPath, { until, streams = [] } = {}) {
  await server.drained();
  const readings = readHistory(historyPath, until);
  const events = await server.exportedEvents();
  const last = events.at(-1)?.position ?? 0;
  for (const stream of streams) await stream.until("the stream has shown the last event", ({ data }) => data.position === last && data.type !== undefined);
  return check({
    readings,
    events,
    devices: await server.devices(),
    tracks: await someTracks(server, readings),
    streams: streams.map((stream) => stream.messages),
  });
}

/** Tracks of a few devices of each kind of sender. */
export async function someTracks(server, readings) {
  const ids = [...new Set(readings.map((reading) => reading.deviceId))];
  const step = Math.max(1, Math.floor(ids.length / TRACKED_DEVICES));
  const chosen = ids.filter((_, index) => index % step === 0).slice(0, TRACKED_DEVICES);
  const tracks = new Map();
  for (const id of chosen) {
    const url = `${server.url}/api/v1/devices/${encodeURIComponent(id)}/track?maxPoints=${MOST_POINTS}`;
    const answer = await server.call(new URL(url).pathname + new URL(url).search);
    if (answer.status === 404) continue;
    if (answer.status !== 200 || answer.json.downsampled) throw new Error(`the track of ${id} is not whole: ${answer.text.slice(0, 200)}`);
    tracks.set(id, answer.json.points);
  }
  return tracks;
}
