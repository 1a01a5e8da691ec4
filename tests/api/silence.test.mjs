// Silence, coming back, and the status of a device.

import assert from "node:assert/strict";
import { test } from "node:test";

import { at, get, reading, report } from "../harness/reporting.mjs";
import { serve } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";

test("a device that says nothing goes silent, once, and is back with its next reading, first of all", { timeout: 60_000 }, async (t) => {
  const server = await serve(t, { env: { FIELDWATCH_DEVICES__SILENT_AFTER: "1s" } });
  const events = async () => (await get(server, "/api/v1/devices/s/events?order=asc")).events;
  const status = async () => (await get(server, "/api/v1/devices/s")).status;
  await report(server, reading("s", 10, 1, 1, { at: at(0) }));
  assert.equal(await status(), "active");
  await waitUntil("the device is silent", async () => (await status()) === "silent", 10_000);
  const [, { position, ...silent }] = await events();
  assert.deepEqual(silent, {
    type: "DeviceHasGoneSilent", deviceId: "s", version: 2, at: silent.recordedAt, recordedAt: silent.recordedAt, readingId: null,
    lastSeen: at(0),
  });
  assert.equal((await get(server, "/api/v1/status")).devices.silent, 1);

  await report(server, reading("s", 50, 1, 1, { at: at(1), readingId: "again" }));
  assert.equal(await status(), "active");
  const [, , back, warmer] = await events();
  assert.deepEqual([back.type, back.version, back.silentSince, back.readingId], ["DeviceIsBack", 3, silent.at, "again"]);
  assert.deepEqual([warmer.type, warmer.version], ["DeviceTemperatureHasIncreased", 4]);

  await waitUntil("it is silent again", async () => (await status()) === "silent", 10_000);
  await report(server, reading("s", 90, 1, 1, { at: at(0) }));
  assert.deepEqual((await events()).map(({ type }) => type).slice(4), ["DeviceHasGoneSilent", "DeviceIsBack"], "a late reading brings it back and nothing else");

  // After a start a whole period runs first; then it is silent once more, and only once.
  await server.stop();
  await server.start();
  await waitUntil("it is silent after the restart", async () => (await status()) === "silent", 10_000);
  assert.equal((await events()).filter(({ type }) => type === "DeviceHasGoneSilent").length, 3);
});

test("a device is idle when nothing was received for a while", { timeout: 60_000 }, async (t) => {
  const server = await serve(t, { env: { FIELDWATCH_DEVICES__IDLE_AFTER: "1s", FIELDWATCH_DEVICES__SILENT_AFTER: "never" } });
  await report(server, reading("i", 10));
  await waitUntil("the device is idle", async () => (await get(server, "/api/v1/devices?status=idle")).devices.length === 1, 10_000);
  assert.equal((await get(server, "/api/v1/status")).devices.idle, 1);
  await report(server, reading("i", 10.5));
  assert.equal((await get(server, "/api/v1/devices/i")).status, "active");
  assert.equal((await get(server, "/api/v1/devices/i")).version, 2, "idleness is no event");
});
