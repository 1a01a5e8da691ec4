// The commands that work against a running server or beside it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { afterwards } from "../harness/cleanup.mjs";
import { freePort } from "../harness/ports.mjs";
import { get, reading, report } from "../harness/reporting.mjs";
import { binary, fieldwatch, serve, temporaryFolder } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";

test("simulate sends a bounded load and sums it up", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const simulate = (target, ...more) =>
    fieldwatch(["simulate", "--target", target, "--devices", "20", "--interval", "200ms", "--duration", "2s", "--seed", "7", "--json", ...more]);
  for (const profile of ["commute", "cold-chain", "original"]) {
    const { code, stdout, stderr } = await simulate(server.url, "--profile", profile);
    assert.equal(code, 0, stderr);
    const summary = JSON.parse(stdout.trim().split("\n").at(-1).startsWith("{") ? stdout.trim().split("\n").at(-1) : stdout);
    assert.ok(summary.sent >= 100 && summary.accepted === summary.sent && summary.failed === 0, stdout);
  }
  await server.drained();
  assert.ok((await server.devices()).length >= 20);
  const { code } = await simulate(`http://127.0.0.1:${await freePort()}`);
  assert.equal(code, 1, "a reading that failed ends it with 1");
});

test("send replays recorded readings and lists what was refused, with its line", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const folder = temporaryFolder(t);
  const file = (name, lines) => {
    writeFileSync(join(folder, name), lines.join("\n") + "\n");
    return join(folder, name);
  };
  const csv = file("readings.csv", [
    "at,deviceId,temperature,lat,lon", "2026-01-01T00:00:00Z,c1,20,1,1", "2026-01-01T00:00:01Z,c1,20,91,1", "2026-01-01T00:00:02Z,c1,30,1,1",
  ]);
  const sent = await fieldwatch(["send", csv, "--target", server.url]);
  t.diagnostic(`exit ${sent.code} with one refused`);
  assert.match(sent.stdout + sent.stderr, /\b3\b[^\n]*lat|lat[^\n]*\b3\b/, "line 3 and its field are named");
  await server.drained();
  assert.equal((await get(server, "/api/v1/devices/c1")).version, 2);

  const ndjson = file("readings.ndjson", [
    JSON.stringify({ ...reading("n1", 20), at: "2026-01-01T00:00:00Z" }), JSON.stringify({ ...reading("n1", 30), at: "2026-01-01T00:00:01Z" }),
  ]);
  const { code, stderr } = await fieldwatch(["send", ndjson, "--target", server.url]);
  assert.equal(code, 0, stderr);
  await server.drained();
  assert.equal((await get(server, "/api/v1/devices/n1")).version, 2);

  // Sent again from the start it is the same readings, and changes nothing.
  await fieldwatch(["send", ndjson, "--target", server.url]);
  await server.drained();
  assert.equal((await get(server, "/api/v1/devices/n1")).version, 2);
});

test("events tail follows the log, and dead letters are listed", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  await report(server, reading("tailed", 1));
  const tail = spawn(binary(), ["events", "tail", "--data-dir", server.dataDir], { stdio: ["ignore", "pipe", "inherit"] });
  afterwards(t, () => tail.kill("SIGKILL"));
  let text = "";
  tail.stdout.setEncoding("utf8").on("data", (piece) => { text += piece; });
  // Whether it begins with what is there or only with what comes: what comes now must appear.
  let temperature = 0;
  await waitUntil("an event is told", async () => {
    temperature = temperature === 40 ? 80 : 40;
    await report(server, reading("tailed", temperature));
    return text.includes("DeviceTemperatureHasIncreased");
  });
  for (const line of text.trim().split("\n")) assert.equal(JSON.parse(line).deviceId, "tailed");

  const letters = await fieldwatch(["dead-letters", "list", "--data-dir", server.dataDir]);
  assert.equal(letters.code, 0, letters.stderr);
});
