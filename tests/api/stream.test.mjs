// The live streams: `/api/v1/stream` in both forms, and the original one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { afterwards } from "../harness/cleanup.mjs";
import { at, get, reading, report } from "../harness/reporting.mjs";
import { serve } from "../harness/server.mjs";
import { SseClient } from "../harness/sse.mjs";
import { waitUntil } from "../harness/wait.mjs";

function open(t, server, path, options) {
  const client = new SseClient(`${server.url}${path}`, options);
  afterwards(t, () => client.close());
  return client;
}

const eventsOf = (client) => client.messages.filter(({ data }) => data.type !== undefined).map(({ data }) => data);

/** A stream that is connected: what is reported from now on is live. */
async function live(t, server, path, options) {
  const client = open(t, server, path, options);
  await waitUntil("the stream is open", () => client.connections > 0);
  if (path.startsWith("/api/v1")) await client.until("hello", ({ event }) => event === "hello");
  return client;
}

test("the stream of events", { timeout: 90_000 }, async (t) => {
  const server = await serve(t);
  await report(server, reading("a", 10, 1, 1, { at: at(0), readingId: "r0" }));

  await t.test("says hello, then tells what happens, in the form of the log", async (t) => {
    const client = await live(t, server, "/api/v1/stream");
    assert.equal(client.status, 200);
    assert.match(client.headers["content-type"], /^text\/event-stream/);
    const [hello] = client.messages;
    const { logId, position } = await get(server, "/api/v1/status");
    assert.deepEqual(hello, { id: hello.id, event: "hello", data: { logId, position } });
    await report(server, reading("a", 50, 9, 9, { at: at(1), readingId: "r1" }));
    await client.until("the location event", ({ event }) => event === "DeviceLocationHasChanged");
    const told = client.messages.slice(1);
    assert.deepEqual(told.map(({ event }) => event), ["DeviceTemperatureHasIncreased", "DeviceLocationHasChanged"]);
    assert.deepEqual(told.map(({ data }) => data), (await server.exportedEvents()).slice(-2));
    assert.deepEqual(told.map(({ id }) => id), told.map(({ data }) => String(data.position)));
    assert.deepEqual(Object.keys(told[0].data).slice(0, 7), ["type", "deviceId", "version", "position", "at", "recordedAt", "readingId"]);
  });
  await t.test("since=0 is all that is kept, a position what comes after it, Last-Event-ID wins", async (t) => {
    const all = await server.exportedEvents();
    const [first] = all;
    const seen = async (path, options) => {
      const client = open(t, server, path, options);
      await client.until("the newest event", ({ data }) => data.position === all.at(-1).position && data.type !== undefined);
      return eventsOf(client);
    };
    assert.deepEqual(await seen("/api/v1/stream?since=0"), all);
    assert.deepEqual(await seen(`/api/v1/stream?since=${first.position}`), all.slice(1));
    assert.deepEqual(await seen("/api/v1/stream?since=0", { lastEventId: String(first.position) }), all.slice(1));
  });
  await t.test("a client that is cut and resumes misses and doubles nothing", async (t) => {
    const client = open(t, server, "/api/v1/stream?since=0");
    for (let round = 0; round < 10; round += 1) {
      await report(server, Array.from({ length: 20 }, (_, n) => reading(`cut-${n}`, round % 2 === 0 ? 10 : 50)));
      await waitUntil("it is connected, for a cut to mean something", () => client.connections > round);
      client.cut();
    }
    const all = await server.exportedEvents();
    await client.until("the newest event", ({ data }) => data.position === all.at(-1).position && data.type !== undefined);
    assert.deepEqual(eventsOf(client), all);
    assert.ok(client.connections >= 5);
  });
  await t.test("filters by types and devices", async (t) => {
    const byType = await live(t, server, "/api/v1/stream?types=DeviceHasBeenCreated&types=DeviceLocationHasChanged");
    const byDevice = await live(t, server, "/api/v1/stream?devices=f1&devices=f3");
    await report(server, ["f1", "f2", "f3"].flatMap((id) => [reading(id, 1, 1, 1), reading(id, 40, 1, 1), reading(id, 40, 5, 5)]));
    // Order is promised within a device, not between devices.
    await waitUntil("both streams have told six events", () => eventsOf(byType).length >= 6 && eventsOf(byDevice).length >= 6);
    const [ofTypes, ofDevices] = [eventsOf(byType), eventsOf(byDevice)];
    const typesOf = (events, id) => events.filter(({ deviceId }) => deviceId === id).map(({ type }) => type);
    const [CREATED, WARMER, MOVED] = ["DeviceHasBeenCreated", "DeviceTemperatureHasIncreased", "DeviceLocationHasChanged"];
    for (const id of ["f1", "f2", "f3"]) assert.deepEqual(typesOf(ofTypes, id), [CREATED, MOVED], id);
    for (const id of ["f1", "f3"]) assert.deepEqual(typesOf(ofDevices, id), [CREATED, WARMER, MOVED], id);
    assert.deepEqual([ofTypes.length, ofDevices.length], [6, 6]);
  });
  await t.test("where it cannot resume it says gap with the reason, then goes on live", async (t) => {
    for (const [lastEventId, reason] of [["nonsense", "malformed"], ["-5", "malformed"], [String(2 ** 52), "future"]]) {
      const client = open(t, server, "/api/v1/stream", { lastEventId, resume: false });
      const gap = await client.until(`gap for ${lastEventId}`, ({ event }) => event === "gap", 15_000);
      assert.equal(gap.data.reason, reason, lastEventId);
      assert.ok("from" in gap.data && "earliest" in gap.data, JSON.stringify(gap.data));
      await report(server, reading(`after-${lastEventId}`, 1));
      await client.until("what happens live", ({ data }) => data.deviceId === `after-${lastEventId}`);
    }
  });
  await t.test("wrong parameters are refused", async () => {
    for (const query of ["form=nonsense", "types=Nonsense", "bbox=1,2", "nonsense=1"]) {
      assert.ok([400, 422].includes((await server.call(`/api/v1/stream?${query}`)).status), query);
    }
  });
  await t.test("a forgotten device's events are not told again", async (t) => {
    await report(server, reading("shy", 12.3456, 1, 1));
    await server.call("/api/v1/devices/shy", { method: "DELETE" });
    await server.drained();
    await report(server, reading("after-shy", 1));
    const client = open(t, server, "/api/v1/stream?since=0");
    await client.until("the newest event", ({ data }) => data.deviceId === "after-shy");
    assert.ok(!JSON.stringify(client.messages).includes("12.3456"));
    assert.equal(client.named("DeviceHasBeenForgotten").length, 1);
  });
  await t.test("a keep-alive within 15 seconds carries the newest id", async (t) => {
    const client = await live(t, server, "/api/v1/stream?types=DeviceHasGoneSilent");
    await report(server, reading("quiet", 1));
    const newest = (await server.exportedEvents()).at(-1).position;
    await waitUntil("the keep-alive has moved the id", () => client.lastEventId === String(newest), 20_000);
  });
});

/** The devices that a client of frames shows, by id. */
function shown(messages) {
  const names = [];
  const devices = new Map();
  for (const { event, data } of messages) {
    if (event !== "snapshot" && event !== "frame") continue;
    names.push(...(data.ids ?? []));
    (data.i ?? []).forEach((number, index) => {
      const column = (name) => data[name][index];
      devices.set(names[number], { t: column("t"), lat: column("lat"), lon: column("lon"), at: column("at"), s: column("s") });
    });
    for (const number of data.gone ?? []) devices.delete(names[number]);
  }
  return Object.fromEntries([...devices].sort(([left], [right]) => (left < right ? -1 : 1)));
}

test("the stream of frames shows what the list shows", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const STATUS = { active: 0, idle: 1, silent: 2 };
  const listed = async () => Object.fromEntries((await server.devices()).map((device) => [device.deviceId, {
    t: Math.round(device.temperature * 1e4), lat: Math.round(device.location.lat * 1e7), lon: Math.round(device.location.lon * 1e7),
    at: Date.parse(device.lastSeen), s: STATUS[device.status],
  }]));
  const agrees = async (client) => waitUntil("frames and list agree", async () => {
    assert.deepEqual(shown(client.messages), await listed());
    return true;
  }, 10_000);

  const fleet = (temperature, seconds) => Array.from({ length: 6_000 }, (_, n) =>
    reading(`frame-${n}`, temperature, -12.3456789, n / 1000, { at: at(seconds) }));
  await report(server, fleet(48.5, 0));
  const client = await live(t, server, "/api/v1/stream?form=frames");
  await client.until("the last snapshot", ({ event, data }) => event === "snapshot" && data.last === true);
  const snapshots = client.named("snapshot");
  assert.ok(snapshots.length >= 2 && snapshots.every(({ data }) => data.i.length <= 5_000), "at most 5 000 devices each");
  assert.deepEqual(snapshots.map(({ data }) => data.last), [...Array(snapshots.length - 1).fill(false), true]);
  assert.ok(snapshots.every(({ data }) => Number.isSafeInteger(data.position)));
  await agrees(client);

  await report(server, fleet(50.1234, 1).slice(0, 100));
  await report(server, reading("newcomer", -0.0001, 0, 0, { at: at(2) }));
  await agrees(client);
  const changed = client.named("frame").flatMap(({ data }) => data.i);
  assert.ok(changed.length <= 300, `only what changed: ${changed.length} entries for 101 devices`);

  // A reading that raised no event refreshes `at` within 5 s.
  await report(server, reading("newcomer", -0.0001, 0, 0, { at: at(3) }));
  await agrees(client);
  await server.call("/api/v1/devices/newcomer", { method: "DELETE" });
  await server.drained();
  await agrees(client);
  assert.equal(shown(client.messages).newcomer, undefined);

  const one = await live(t, server, "/api/v1/stream?form=frames&devices=frame-7");
  await one.until("the last snapshot", ({ event, data }) => event === "snapshot" && data.last === true);
  assert.deepEqual(Object.keys(shown(one.messages)), ["frame-7"]);
});

test("frames come at most ten times a second", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const client = await live(t, server, "/api/v1/stream?form=frames");
  const begun = Date.now();
  for (let round = 0; round < 60; round += 1) await report(server, reading("busy", round % 2 === 0 ? 10 : 50));
  await client.until("the last value", ({ event, data }) => event === "frame" && data.t.includes(500000));
  const seconds = (Date.now() - begun) / 1000;
  assert.ok(client.named("frame").length <= seconds * 10 + 2, `${client.named("frame").length} frames in ${seconds} s`);
});

test("the original stream has its four events, in its names, and nothing else", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  await report(server, reading("before", 1));
  for (const path of ["/UserSubscription/toGeneralDeviceEventStream", "/usersubscription/TOGENERALDEVICEEVENTSTREAM/"]) {
    await t.test(path, async (t) => {
      const id = `o-${path.length}`;
      const client = await live(t, server, path, { headers: { origin: "http://old.example", accept: "application/json" } });
      assert.equal(client.status, 200);
      assert.match(client.headers["content-type"], /^text\/event-stream/);
      assert.equal(client.headers["access-control-allow-origin"], "*");
      // A similar temperature and a very close location in between are not told, but are not what Prev… means either.
      const steps = [[48.5, 38.5698, 45.6974], [49, 38.57, 45.6974], [52, 38.57, 45.6974], [40, 38.57, 45.6974], [40, 39, 45]];
      for (const [temperature, lat, lon] of steps) await report(server, reading(id, temperature, lat, lon));
      await client.until("the last event", ({ event }) => event === "DeviceLocationHasChanged");
      assert.deepEqual(client.messages.map(({ event, data }) => [event, data]), [
        ["DeviceHasBeenCreated", { DevId: id, Temp: 48.5, AtLoc: { Lat: 38.5698, Lon: 45.6974 } }],
        ["DeviceTemperatureHasIncreased", { DevId: id, NewTemp: 52, PrevTemp: 48.5, Coords: { Lat: 38.57, Lon: 45.6974 } }],
        ["DeviceTemperatureHasDecreased", { DevId: id, NewTemp: 40, PrevTemp: 52, Coords: { Lat: 38.57, Lon: 45.6974 } }],
        ["DeviceLocationHasChanged", { DeviceId: id, NewLoc: { Lat: 39, Lon: 45 }, PrevLoc: { Lat: 38.5698, Lon: 45.6974 } }],
      ]);
    });
  }
});
