// Sends readings and waits until they have had their effect.

import assert from "node:assert/strict";

/** Posts readings (objects or one text) and waits until they are decided and stored; answers the answer. */
export async function report(server, readings, headers) {
  const answer = await server.call("/api/v1/readings", { method: "POST", body: readings, headers });
  assert.equal(answer.status, 202, answer.text);
  await server.drained();
  return answer.json;
}

export const reading = (deviceId, temperature, lat = 50, lon = 10, more = {}) => ({ deviceId, temperature, lat, lon, ...more });

/** A time so many seconds after a fixed moment in the past. */
export const at = (seconds) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();

/** A GET that must succeed; answers its JSON. */
export async function get(server, path) {
  const answer = await server.call(path);
  assert.equal(answer.status, 200, `${path}: ${answer.text.slice(0, 300)}`);
  return answer.json;
}
