// Readings that are accepted: forms, repeats, times, and the exact text of what comes out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { at, get, reading, report } from "../harness/reporting.mjs";
import { fieldwatch, serve } from "../harness/server.mjs";
import { zstdStored } from "../harness/zstd.mjs";

const NDJSON = { "content-type": "application/x-ndjson" };

test("readings in", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const device = (id) => get(server, `/api/v1/devices/${encodeURIComponent(id)}`);
  const events = async (id) => (await get(server, `/api/v1/devices/${encodeURIComponent(id)}/events?order=asc`)).events;

  await t.test("one reading, with lat and lon or with a location", async () => {
    assert.deepEqual(await report(server, reading("one", 48.5, 38.5698, 45.6974)), { accepted: 1, rejected: [] });
    await report(server, { deviceId: "two", temperature: 48.5, location: { lat: 38.5698, lon: 45.6974 } });
    for (const id of ["one", "two"]) assert.deepEqual((await device(id)).location, { lat: 38.5698, lon: 45.6974 });
  });
  await t.test("an array, NDJSON, gzip and zstd", async () => {
    const lines = (name) => [1, 2].map((number) => JSON.stringify(reading(`${name}-${number}`, number))).join("\r\n");
    const two = { accepted: 2, rejected: [] };
    assert.deepEqual(await report(server, [reading("array-1", 1), reading("array-2", 2)]), two);
    assert.deepEqual(await report(server, lines("lines"), NDJSON), two);
    assert.deepEqual(await report(server, gzipSync(lines("gzip")), { ...NDJSON, "content-encoding": "gzip" }), two);
    assert.deepEqual(await report(server, zstdStored(Buffer.from(lines("zstd"))), { ...NDJSON, "content-encoding": "zstd" }), two);
    for (const name of ["array", "lines", "gzip", "zstd"]) assert.equal((await device(`${name}-2`)).temperature, 2);
  });
  await t.test("device ids of any text, in one piece", async () => {
    for (const id of ["a/b", "<img src=x onerror=alert(1)>", "ümlaut ✓", "a%2Fb", "...", "x".repeat(128), "a b+c?d#e&f", "\\\"'"]) {
      await report(server, reading(id, 1));
      assert.equal((await device(id)).deviceId, id);
    }
  });
  await t.test("numbers come out as the shortest decimals, whatever they came in as", async () => {
    const written = [
      ["48.50", "48.5"], ["48.0", "48"], ["-0", "0"], ["-0.00", "0"], ["4.85e1", "48.5"], ["1E2", "100"], ["1e-4", "0.0001"],
      ["0.00005", "0"], ["0.00015", "0.0002"], ["-0.00015", "-0.0002"], [`48.${"9".repeat(2000)}`, "49"], ["1e-400", "0"],
    ];
    for (const [index, [temperature, expected]] of written.entries()) {
      await report(server, `{"deviceId":"number-${index}","temperature":${temperature},"lat":0.0000001,"lon":-1e-7}`);
      const { text } = await server.call(`/api/v1/devices/number-${index}/events`);
      assert.ok(text.includes(`"temperature":${expected},"location":{"lat":0.0000001,"lon":-0.0000001}`), `${temperature}: ${text}`);
    }
  });
  await t.test("an event has its keys in the order of the contract, in the API and in the export", async () => {
    await report(server, [reading("keys", 1, 1, 1, { at: at(0), readingId: "k1" }), reading("keys", 9, 2, 2, { at: at(1), readingId: "k2" })]);
    const head = ["type", "deviceId", "version", "position", "at", "recordedAt", "readingId"];
    const wanted = [
      [...head, "temperature", "location"],
      [...head, "temperature", "previousTemperature", "notifiedTemperature", "location"],
      [...head, "location", "previousLocation", "notifiedLocation", "temperature"],
    ];
    assert.deepEqual((await events("keys")).map(Object.keys), wanted);
    const { stdout } = await fieldwatch(["events", "export", "--data-dir", server.dataDir, "--device", "keys"]);
    const exported = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(exported.map(Object.keys), wanted);
    assert.deepEqual(exported, await events("keys"));
    assert.deepEqual(exported.map(({ readingId, at: time }) => [readingId, time]), [["k1", at(0)], ["k2", at(1)], ["k2", at(1)]]);
    for (const { recordedAt } of exported) assert.match(recordedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  await t.test("a repeated reading id counts as accepted and changes nothing, among the last 16", async () => {
    const numbered = (n) => reading("repeats", (n % 2) * 50, 1, 1, { readingId: `r${n}` });
    await report(server, Array.from({ length: 16 }, (_, n) => numbered(n)));
    assert.deepEqual(await report(server, numbered(0)), { accepted: 1, rejected: [] });
    assert.equal((await device("repeats")).version, 16);
    await report(server, numbered(16));
    await report(server, numbered(1));
    assert.equal((await device("repeats")).version, 17);
    await report(server, reading("repeats", 99, 1, 1, { readingId: "r0" }));
    assert.equal((await device("repeats")).version, 18, "the 17th last id is forgotten");
  });
  await t.test("a repeat within one batch is one reading", async () => {
    const twice = reading("twins", 10, 1, 1, { readingId: "t" });
    assert.equal((await report(server, [twice, reading("twins", 50, 1, 1), twice])).accepted, 3);
    assert.deepEqual((await events("twins")).map(({ temperature }) => temperature), [10, 50]);
  });
  await t.test("a batch repeated under its Idempotency-Key changes nothing, under another key it does", async () => {
    const body = [10, 50, 10].map((temperature) => JSON.stringify(reading("keyed", temperature))).join("\n");
    const keyed = (key) => report(server, body, { ...NDJSON, "idempotency-key": key });
    await keyed("one");
    assert.deepEqual(await keyed("one"), { accepted: 3, rejected: [] });
    assert.equal((await device("keyed")).version, 3);
    await keyed("two");
    assert.equal((await device("keyed")).version, 5, "the first 10 equals the current value");
  });
  await t.test("without ids the same reading again is a new one", async () => {
    for (const temperature of [10, 50, 10, 50]) await report(server, reading("plain", temperature));
    assert.equal((await device("plain")).version, 4);
    assert.equal(new Set((await events("plain")).map(({ readingId }) => readingId)).size, 4, "ingest gives ids");
  });

  await t.test("times come in any offset and are cut to milliseconds", async () => {
    await report(server, reading("offset", 1, 1, 1, { at: "2026-01-01T02:00:00.0009999+02:00" }));
    assert.equal((await device("offset")).lastSeen, at(0));
  });
  await t.test("a reading without a time has that of its receipt, or the newest if that is later", async () => {
    const before = Date.now();
    await report(server, reading("timeless", 1));
    const { lastSeen } = await device("timeless");
    assert.ok(Date.parse(lastSeen) >= before - 1 && Date.parse(lastSeen) <= Date.now() + 1, lastSeen);
    const ahead = new Date(Date.now() + 4 * 60_000).toISOString();
    await report(server, reading("timeless", 10, 50, 10, { at: ahead }));
    await report(server, reading("timeless", 50));
    assert.deepEqual((await events("timeless")).map((event) => [event.temperature, event.at === ahead]), [[1, false], [10, true], [50, true]]);
  });
  await t.test("a late reading changes nothing, is counted and stays in the track", async () => {
    await report(server, [reading("late", 20, 1, 1, { at: at(10) }), reading("late", 90, 2, 2, { at: at(5) }), reading("late", 40, 1, 1, { at: at(10) })]);
    const shown = await device("late");
    assert.deepEqual([shown.temperature, shown.version, shown.lateReadings, shown.lastSeen], [40, 2, 1, at(10)]);
    const { points } = await get(server, "/api/v1/devices/late/track");
    assert.deepEqual(points.map((point) => [point.temperature, point.late ?? false]).sort(), [[20, false], [40, false], [90, true]]);
    assert.deepEqual(points.find((point) => point.late), { at: at(5), temperature: 90, lat: 2, lon: 2, late: true });
  });
});
