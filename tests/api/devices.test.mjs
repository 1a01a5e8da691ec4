// The list of devices, one device, its name and labels, and forgetting it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { allPages } from "../harness/http.mjs";
import { assertProblem } from "../harness/problem.mjs";
import { at, get, reading, report } from "../harness/reporting.mjs";
import { serve } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";

const ids = (devices) => devices.map(({ deviceId }) => deviceId);

test("devices", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const list = async (query = "") => (await get(server, `/api/v1/devices${query}`)).devices;
  // d00 … d24 from west to east and from cold to warm, and one on either side of the antimeridian.
  await report(server, Array.from({ length: 25 }, (_, n) =>
    reading(`d${String(n).padStart(2, "0")}`, n, 10, n, { at: at(n) })));
  await report(server, [reading("east", -5, 0, 179.5, { at: at(100) }), reading("west", -6, 0, -179.5, { at: at(101) })]);

  await t.test("a device in the list has exactly the contract's members", async () => {
    const [first] = await list();
    const { receivedAt, ...rest } = first;
    assert.match(receivedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(rest, {
      deviceId: "d00", name: null, labels: [], temperature: 0, location: { lat: 10, lon: 0 }, lastSeen: at(0), version: 1,
      status: "active", openAlarms: 0,
    });
    assert.deepEqual(Object.keys(first),
      ["deviceId", "name", "labels", "temperature", "location", "lastSeen", "receivedAt", "version", "status", "openAlarms"]);
  });
  await t.test("read singly it adds rules, alarms and late readings", async () => {
    const single = await get(server, "/api/v1/devices/d00");
    const [listed] = await list();
    assert.deepEqual(single, { ...listed, rules: single.rules, alarms: [], lateReadings: 0 });
    assert.ok(Array.isArray(single.rules) || typeof single.rules === "object");
  });
  await t.test("a device that is not there is 404", async () => {
    for (const path of ["nobody", "nobody/events", "nobody/track", "%ff"]) {
      const answer = await server.call(`/api/v1/devices/${path}`);
      assert.ok(answer.status === 404 || (path === "%ff" && answer.status === 400), `${path}: ${answer.status}`);
      assertProblem(answer, answer.status);
    }
  });
  await t.test("pages follow one another without hole or double, and carry a position", async () => {
    const whole = await get(server, "/api/v1/devices");
    assert.equal(whole.nextCursor, null);
    assert.ok(Number.isSafeInteger(whole.position) && whole.position > 0);
    for (const limit of [1, 7, 26, 27, 1000]) {
      for (const sort of ["deviceId", "-deviceId", "temperature", "-temperature", "lastSeen"]) {
        const paged = ids(await allPages(`${server.url}/api/v1/devices?limit=${limit}&sort=${sort}`, "devices"));
        const expected = ids((await get(server, `/api/v1/devices?sort=${sort}`)).devices);
        assert.deepEqual(paged, expected, `limit ${limit}, sort ${sort}`);
        assert.equal(new Set(paged).size, 27);
      }
    }
  });
  await t.test("sorting", async () => {
    assert.deepEqual(ids(await list()), [...ids(await list())].sort());
    assert.deepEqual(ids(await list("?sort=-deviceId&limit=2")), ["west", "east"]);
    assert.deepEqual(ids(await list("?sort=temperature&limit=3")), ["west", "east", "d00"]);
    assert.deepEqual(ids(await list("?sort=-temperature&limit=2")), ["d24", "d23"]);
    assert.deepEqual(ids(await list("?sort=-lastSeen&limit=2")), ["west", "east"]);
  });
  await t.test("filters by temperature, text and status, alone and together", async () => {
    assert.deepEqual(ids(await list("?minTemperature=22")), ["d22", "d23", "d24"]);
    assert.deepEqual(ids(await list("?maxTemperature=0")), ["d00", "east", "west"]);
    assert.deepEqual(ids(await list("?minTemperature=3.5&maxTemperature=5")), ["d04", "d05"]);
    assert.deepEqual(ids(await list("?q=est")), ["west"]);
    assert.deepEqual(ids(await list("?q=d1&minTemperature=18")), ["d18", "d19"]);
    assert.equal((await list("?status=active")).length, 27);
    assert.deepEqual(await list("?status=silent"), []);
  });
  await t.test("a box, also across the antimeridian", async () => {
    assert.deepEqual(ids(await list("?bbox=3,9,5,11")), ["d03", "d04", "d05"]);
    assert.deepEqual(ids(await list("?bbox=170,-10,-170,10")), ["east", "west"]);
    assert.deepEqual(ids(await list("?bbox=-180,-90,180,90")).length, 27);
    assert.deepEqual(await list("?bbox=3,11,5,12"), []);
  });
  await t.test("as GeoJSON", async () => {
    const answer = await server.call("/api/v1/devices?limit=3", { headers: { accept: "application/geo+json" } });
    assert.match(answer.headers["content-type"], /^application\/geo\+json/);
    assert.equal(answer.json.type, "FeatureCollection");
    assert.deepEqual(answer.json.features[2].geometry, { type: "Point", coordinates: [2, 10] });
    assert.equal(answer.json.features[2].properties.deviceId, "d02");
  });
  await t.test("wrong parameters are refused", async () => {
    for (const query of [
      "limit=0", "limit=1001", "limit=-1", "limit=x", "cursor=nonsense", "bbox=1,2,3", "bbox=a,b,c,d", "bbox=0,91,1,92", "bbox=0,5,1,4",
      "sort=colour", "status=asleep", "minTemperature=warm", "maxTemperature=NaN", "nonsense=1",
    ]) {
      const answer = await server.call(`/api/v1/devices?${query}`);
      assert.ok([400, 422].includes(answer.status), `${query}: ${answer.status}`);
      assertProblem(answer, answer.status);
    }
  });

  await t.test("name and labels are edited, found, and told as an event", async () => {
    const patch = (body) => server.call("/api/v1/devices/d07", { method: "PATCH", body });
    const named = await patch({ name: "Kühlwagen <7>", labels: ["north", "cold chain"] });
    assert.equal(named.status, 200, named.text);
    await waitUntil("the name is shown", async () => (await get(server, "/api/v1/devices/d07")).name === "Kühlwagen <7>");
    assert.deepEqual(ids(await list("?label=north")), ["d07"]);
    assert.deepEqual(ids(await list("?label=north&label=south")).length <= 1, true);
    assert.deepEqual(ids(await list(`?q=${encodeURIComponent("kühl")}`)), ["d07"]);
    const { events } = await get(server, "/api/v1/devices/d07/events?limit=1");
    const [{ position, recordedAt, ...described }] = events;
    assert.deepEqual(described, {
      type: "DeviceHasBeenDescribed", deviceId: "d07", version: 2, at: recordedAt, readingId: null,
      name: "Kühlwagen <7>", labels: ["north", "cold chain"],
    });
    // What is not mentioned stays.
    assert.equal((await patch({ name: null })).status, 200);
    await waitUntil("the name is gone", async () => (await get(server, "/api/v1/devices/d07")).name === null);
    assert.deepEqual((await get(server, "/api/v1/devices/d07")).labels, ["north", "cold chain"]);
  });
  await t.test("of edits at the same moment none undoes another", async () => {
    const patch = async (body) => {
      const answer = await server.call("/api/v1/devices/d09", { method: "PATCH", body });
      assert.equal(answer.status, 200, answer.text);
    };
    for (let n = 0; n < 20; n += 1) {
      await Promise.all([patch({ name: `name ${n}` }), patch({ labels: [`label ${n}`] })]);
      const { name, labels, version } = await get(server, "/api/v1/devices/d09");
      assert.deepEqual({ name, labels, version }, { name: `name ${n}`, labels: [`label ${n}`], version: 3 + 2 * n });
    }
    await patch({ name: "name 19" });
    await patch({});
    assert.equal((await get(server, "/api/v1/devices/d09")).version, 41, "what changes nothing raises no event");
  });
  await t.test("wrong edits are refused with the field", async () => {
    const patch = (body) => server.call("/api/v1/devices/d08", { method: "PATCH", body });
    assertProblem(await patch("{"), 400);
    assertProblem(await patch([]), 422);
    assertProblem(await patch({ name: 5 }), 422, ["name"]);
    assertProblem(await patch({ name: "x".repeat(201) }), 422, ["name"]);
    assertProblem(await patch({ labels: "north" }), 422, ["labels"]);
    assertProblem(await patch({ labels: ["x".repeat(65)] }), 422);
    assertProblem(await patch({ labels: Array.from({ length: 33 }, (_, n) => `l${n}`) }), 422, ["labels"]);
    assertProblem(await patch({ colour: "red" }), 422, ["colour"]);
    assertProblem(await server.call("/api/v1/devices/nobody", { method: "PATCH", body: { name: "x" } }), 404);
    assert.equal((await get(server, "/api/v1/devices/d08")).version, 1);
  });
  await t.test("a forgotten device is gone at once, and created anew with versions going on", async () => {
    await report(server, reading("secret", 66.6, 11.2233, 22.3344, { at: at(1), readingId: "s1" }));
    await report(server, reading("secret", 77.7, 11.2233, 22.3344, { at: at(2) }));
    const answer = await server.call("/api/v1/devices/secret", { method: "DELETE" });
    assert.ok([200, 202, 204].includes(answer.status), `${answer.status} ${answer.text}`);
    assertProblem(await server.call("/api/v1/devices/secret"), 404);
    assert.ok(!ids(await list("?limit=1000")).includes("secret"));
    for (const path of ["events", "track"]) {
      const old = await server.call(`/api/v1/devices/secret/${path}`);
      assert.ok(!/66\.6|77\.7|11\.2233/.test(old.text), `${path} still tells: ${old.text}`);
    }
    assert.ok(!JSON.stringify(await server.exportedEvents()).includes("11.2233"), "the export still tells");
    assertProblem(await server.call("/api/v1/devices/secret", { method: "DELETE" }), 404);

    await report(server, reading("secret", 1, 1, 1, { at: at(0) }));
    const { events } = await get(server, "/api/v1/devices/secret/events?order=asc&types=DeviceHasBeenCreated");
    assert.deepEqual(events.map(({ type, version }) => [type, version]), [["DeviceHasBeenCreated", 4]]);
    assert.equal((await get(server, "/api/v1/devices/secret")).version, 4);
  });
  await t.test("all of it survives a restart", async () => {
    const before = await list("?limit=1000");
    const { code, elapsedMs } = await server.stop();
    assert.equal(code, 0);
    assert.ok(elapsedMs < 10_000);
    await server.start();
    assert.deepEqual(await list("?limit=1000"), before);
    assert.deepEqual((await get(server, "/api/v1/devices/d07")).labels, ["north", "cold chain"]);
    assertProblem(await server.call("/api/v1/devices/nobody"), 404);
  });
});
