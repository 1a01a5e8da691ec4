// Events and track of one device.

import assert from "node:assert/strict";
import { test } from "node:test";

import { allPages } from "../harness/http.mjs";
import { assertProblem } from "../harness/problem.mjs";
import { at, get, reading, report } from "../harness/reporting.mjs";
import { serve } from "../harness/server.mjs";

const READINGS = 40;

test("the history of a device", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  // Temperature swings, and every tenth reading moves the device: 40 temperature events and 3 location events.
  await report(server, Array.from({ length: READINGS }, (_, n) =>
    reading("h", n % 2 === 0 ? 10 : 50, 50 + Math.floor(n / 10), 10, { at: at(n), readingId: `h${n}` })));
  await report(server, reading("h", 99, 1, 1, { at: at(3), readingId: "late" }));
  const path = "/api/v1/devices/h/events";
  const events = async (query = "") => (await get(server, `${path}?limit=1000${query}`)).events;

  await t.test("newest first, or in order", async () => {
    const newestFirst = await events();
    assert.equal(newestFirst.length, READINGS + 3);
    assert.deepEqual(newestFirst.map(({ version }) => version), Array.from({ length: READINGS + 3 }, (_, n) => READINGS + 3 - n));
    assert.deepEqual(await events("&order=asc"), [...newestFirst].reverse());
    assert.deepEqual(await events("&order=desc"), newestFirst);
  });
  await t.test("filtered by types, from inclusive and to exclusive", async () => {
    const moved = await events("&types=DeviceLocationHasChanged");
    assert.deepEqual(moved.map(({ at: time }) => time), [at(30), at(20), at(10)]);
    const two = await events("&order=asc&types=DeviceHasBeenCreated&types=DeviceLocationHasChanged");
    assert.deepEqual(two.map(({ type }) => type), ["DeviceHasBeenCreated", ...Array(3).fill("DeviceLocationHasChanged")]);
    const between = await events(`&order=asc&from=${at(5)}&to=${at(8)}`);
    assert.deepEqual(between.map(({ at: time }) => time), [at(5), at(6), at(7)]);
    assert.deepEqual(await events(`&from=${at(1000)}`), []);
  });
  await t.test("pages follow one another without hole or double", async () => {
    for (const order of ["asc", "desc"]) {
      for (const limit of [1, 10, 43]) {
        assert.deepEqual(await allPages(`${server.url}${path}?limit=${limit}&order=${order}`, "events"), await events(`&order=${order}`));
      }
    }
    const filtered = await allPages(`${server.url}${path}?limit=1&types=DeviceLocationHasChanged`, "events");
    assert.equal(filtered.length, 3);
  });
  await t.test("wrong parameters are refused", async () => {
    for (const query of ["limit=0", "limit=1001", "order=up", "from=now", "to=2026", "types=Nonsense", "cursor=%00"]) {
      const answer = await server.call(`${path}?${query}`);
      assert.ok([400, 422].includes(answer.status), `${query}: ${answer.status}`);
      assertProblem(answer, answer.status);
    }
  });

  const track = (query = "") => get(server, `/api/v1/devices/h/track${query}`);
  await t.test("the track holds every reading once, by time, late ones marked", async () => {
    const { deviceId, points, downsampled } = await track();
    assert.deepEqual([deviceId, downsampled, points.length], ["h", false, READINGS + 1]);
    assert.deepEqual(points[0], { at: at(0), temperature: 10, lat: 50, lon: 10 });
    assert.deepEqual(points.filter(({ late }) => late), [{ at: at(3), temperature: 99, lat: 1, lon: 1, late: true }]);
    const times = points.map((point) => point.at);
    assert.deepEqual(times, [...times].sort());
  });
  await t.test("a reading that raised no event is in the track too", async () => {
    await report(server, [0, 1, 2].map((n) => reading("still", 20, 1, 1, { at: at(n) })));
    const { points } = await get(server, "/api/v1/devices/still/track");
    // Nothing changed in between: the first and the last say it all, and the last seen is known.
    assert.equal(points[0].at, at(0));
    assert.equal((await get(server, "/api/v1/devices/still")).lastSeen, at(2));
    t.diagnostic(`of three equal readings the track shows ${points.length}`);
  });
  await t.test("a part of it, and downsampled", async () => {
    assert.deepEqual((await track(`?from=${at(10)}&to=${at(12)}`)).points.map((point) => point.at), [at(10), at(11)]);
    const few = await track("?maxPoints=10");
    assert.ok(few.downsampled && few.points.length <= 10 && few.points.length >= 5, `${few.points.length} points`);
    assert.equal((await track("?maxPoints=1000")).downsampled, false);
    for (const query of ["maxPoints=0", "maxPoints=x", "from=x"]) {
      const answer = await server.call(`/api/v1/devices/h/track?${query}`);
      assert.ok([400, 422].includes(answer.status), `${query}: ${answer.status}`);
    }
  });
  await t.test("as GeoJSON, GPX and CSV", async () => {
    const as = (accept) => server.call("/api/v1/devices/h/track", { headers: { accept } });
    const geo = await as("application/geo+json");
    assert.match(geo.headers["content-type"], /^application\/geo\+json/);
    assert.ok(["Feature", "FeatureCollection"].includes(geo.json.type));
    const gpx = await as("application/gpx+xml");
    assert.match(gpx.headers["content-type"], /^application\/gpx\+xml/);
    assert.match(gpx.text, /<gpx[^>]*version="1\.1"/);
    assert.ok(gpx.text.split("<trkpt").length - 1 >= READINGS);
    const csv = await as("text/csv");
    assert.match(csv.headers["content-type"], /^text\/csv/);
    assert.ok(csv.text.trim().split(/\r?\n/).length >= READINGS + 1);
  });
});
