// Compares everything a server has with what the reference model says it must have.

import assert from "node:assert/strict";

const countByType = (events) => events.reduce((counts, { type }) => ({ ...counts, [type]: (counts[type] ?? 0) + 1 }), {});

const byDevice = (events) => [...events].sort((left, right) =>
  Buffer.compare(Buffer.from(left.deviceId), Buffer.from(right.deviceId)) || left.version - right.version);

/**
 * Compares counts of events, every event and the final state of every device; answers the counts. Position, time of
 * recording and reading ids that were given on the way are the server's own.
 */
export async function assertAsModelled(server, modelEvents, modelDevices) {
  await server.drained();
  const exported = await server.exportedEvents();
  assert.deepEqual(countByType(exported), countByType(modelEvents));

  const comparable = ({ position, recordedAt, readingId, ...event }, { readingId: wanted }) =>
    wanted === null ? event : { ...event, readingId };
  const wanted = byDevice(modelEvents);
  byDevice(exported).forEach((event, index) =>
    assert.deepEqual(comparable(event, wanted[index]), comparable(wanted[index], wanted[index]), `event ${index}`));

  const listed = (await server.devices()).map(({ deviceId, temperature, location, lastSeen, version }) =>
    [deviceId, { temperature, location, lastSeen, version }]);
  assert.deepEqual(listed, modelDevices.map(([id, { lateReadings, ...view }]) => [id, view]));
  for (const [deviceId, { lateReadings }] of modelDevices) {
    const { json } = await server.call(`/api/v1/devices/${encodeURIComponent(deviceId)}`);
    assert.equal(json.lateReadings, lateReadings, `late readings of ${deviceId}`);
  }
  return countByType(exported);
}
