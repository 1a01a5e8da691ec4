// The service around the devices: status, health, metrics, the API's document, commands, start and stop.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../harness/http.mjs";
import { freePort } from "../harness/ports.mjs";
import { assertProblem } from "../harness/problem.mjs";
import { at, get, reading, report } from "../harness/reporting.mjs";
import { fieldwatch, serve, temporaryFolder } from "../harness/server.mjs";
import { SseClient } from "../harness/sse.mjs";
import { waitUntil } from "../harness/wait.mjs";

test("the service", { timeout: 90_000 }, async (t) => {
  const server = await serve(t);
  await report(server, [
    reading("m", 10, 1, 1, { at: at(1), readingId: "a" }), reading("m", 50, 1, 1, { at: at(2), readingId: "b" }),
    reading("m", 50, 1, 1, { at: at(2), readingId: "b" }), reading("m", 5, 1, 1, { at: at(0), readingId: "c" }),
  ]);
  await server.call("/api/v1/readings", { method: "POST", body: reading("m", 5000) });

  await t.test("status has the contract's shape", async () => {
    const status = await get(server, "/api/v1/status");
    assert.match(status.version, /^\d+\.\d+\.\d+/);
    assert.deepEqual([...status.roles].sort(), ["api", "ingest", "state"]);
    assert.ok(typeof status.logId === "string" && status.logId !== "");
    assert.equal(status.position, (await server.exportedEvents()).at(-1).position);
    assert.deepEqual(status.devices, { active: 1, idle: 0, silent: 0 });
    assert.deepEqual([status.queue.kind, status.queue.healthy, status.queue.depth], ["embedded", true, 0]);
    assert.deepEqual([status.store.kind, status.store.healthy], ["embedded", true]);
    assert.deepEqual([status.push.kind, status.push.healthy], ["embedded", true]);
    assert.equal(status.lagMs, 0);
  });
  await t.test("health", async () => {
    for (const path of ["/health/live", "/health/ready"]) assert.equal((await server.call(path)).status, 200, path);
  });
  await t.test("metrics have their names, kinds and counts", async () => {
    const { headers, text } = await server.call("/metrics");
    assert.match(headers["content-type"], /^(text\/plain|application\/openmetrics-text)/);
    const kinds = {
      device_state_actor_mailbox_length: "gauge", fieldwatch_readings: "counter", fieldwatch_events: "counter",
      fieldwatch_devices: "gauge", fieldwatch_ingest_duration_seconds: "histogram",
      fieldwatch_reading_to_push_seconds: "histogram", fieldwatch_store_append_seconds: "histogram",
      fieldwatch_queue_depth: "gauge", fieldwatch_stream_clients: "gauge", fieldwatch_stream_dropped: "counter",
    };
    for (const [name, kind] of Object.entries(kinds)) {
      assert.match(text, new RegExp(`^# TYPE ${name}(_total)? ${kind}$`, "m"), name);
    }
    for (const [line, count] of [
      ['fieldwatch_readings_total{result="accepted"}', 4], ['fieldwatch_readings_total{result="rejected"}', 1],
      ['fieldwatch_readings_total{result="late"}', 1], ['fieldwatch_readings_total{result="duplicate"}', 1],
      ['fieldwatch_events_total{type="DeviceHasBeenCreated"}', 1], ['fieldwatch_events_total{type="DeviceTemperatureHasIncreased"}', 1],
      ['fieldwatch_devices{status="active"}', 1],
    ]) assert.ok(text.includes(`${line} ${count}\n`), `${line} ${count} is not in\n${text.split("\n").filter((one) => one.startsWith(line.split("{")[0])).join("\n")}`);
    await waitUntil("the mailbox gauge has both kinds", async () => {
      const now = (await server.call("/metrics")).text;
      return /device_state_actor_mailbox_length\{[^}]*actortype="DeviceActor"/.test(now)
        && /device_state_actor_mailbox_length\{[^}]*actortype="DeviceManagerActor"/.test(now);
    }, 15_000);
    assert.ok(!/^(?!device_state_actor_mailbox_length).*"m"/m.test(text), "an id is a label of another metric");
  });
  await t.test("the OpenAPI document is 3.1, the same by command and by HTTP, and knows the paths", async () => {
    const document = await get(server, "/openapi.json");
    assert.match(document.openapi, /^3\.1\./);
    for (const path of [
      "/api/v1/readings", "/api/v1/devices", "/api/v1/devices/{id}", "/api/v1/devices/{id}/events", "/api/v1/devices/{id}/track",
      "/api/v1/stream", "/api/v1/status", "/health/live", "/health/ready", "/metrics", "/event", "/api/devicemetric",
      "/UserSubscription/toGeneralDeviceEventStream",
    ]) assert.ok(document.paths[path], `${path} is missing: ${Object.keys(document.paths)}`);
    const { code, stdout } = await fieldwatch(["openapi"]);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), document);
  });
  await t.test("the page asks no other host for anything", async () => {
    const page = await request(`${server.url}/`);
    assert.equal(page.status, 200);
    assert.match(page.headers["content-type"], /^text\/html/);
    assert.match(page.headers["content-security-policy"] ?? "", /default-src/);
    assert.ok(!/(src|href)="https?:\/\//.test(page.text));
    assert.equal((await request(`${server.url}/docs`)).status, 200);
  });
  await t.test("a path that is not there is a 404 problem", async () => {
    for (const path of ["/api/v1/nothing", "/api/v2/devices"]) assertProblem(await server.call(path), 404);
  });

  await t.test("a second server on the same folder is refused, and the first goes on", async () => {
    const second = await fieldwatch(["serve", "--data-dir", server.dataDir, "--listen", `127.0.0.1:${await freePort()}`]);
    assert.ok([1, 2].includes(second.code), `exit ${second.code}`);
    assert.match(second.stderr, /\S/);
    await report(server, reading("first", 1));
  });
  await t.test("events are verified beside the running server", async () => {
    const { code, stderr } = await fieldwatch(["events", "verify", "--data-dir", server.dataDir]);
    assert.equal(code, 0, stderr);
  });
  await t.test("SIGTERM ends it with 0 within 10 s, open streams included", async () => {
    const stream = new SseClient(`${server.url}/api/v1/stream`, { resume: false });
    await stream.until("hello", ({ event }) => event === "hello");
    const { code, elapsedMs } = await server.stop();
    assert.equal(code, 0);
    assert.ok(elapsedMs < 10_000, `${elapsedMs} ms`);
    await waitUntil("the stream is closed", () => stream.ended);
    assert.deepEqual(server.panics, []);
  });
});

test("wrong usage and wrong configuration exit with 2 and say where", { timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const config = (text) => {
    const path = join(folder, "fieldwatch.toml");
    writeFileSync(path, text);
    return path;
  };
  assert.equal((await fieldwatch(["nonsense"])).code, 2);
  assert.equal((await fieldwatch(["serve", "--nonsense"])).code, 2);
  const unknown = await fieldwatch(["config", "check", "--config", config("[devices]\ntemperature_treshold_celsius = 1.0\n")]);
  assert.equal(unknown.code, 2, unknown.stdout);
  assert.match(unknown.stderr + unknown.stdout, /temperature_threshold_celsius/, "the nearest known key is named");
  assert.equal((await fieldwatch(["config", "check", "--config", config("[devices]\ntemperature_threshold_celsius = 1.0\n")])).code, 0);
  const printed = await fieldwatch(["config", "print"], { env: { FIELDWATCH_DEVICES__IDLE_AFTER: "7m" } });
  assert.equal(printed.code, 0, printed.stderr);
  assert.match(printed.stdout, /idle_after = "7m"/);
  const open = await fieldwatch(["serve", "--data-dir", join(folder, "data"), "--listen", `0.0.0.0:${await freePort()}`], { deadlineMs: 10_000 });
  assert.equal(open.code, 2, "a non-loopback address without authentication is refused");
  for (const shell of ["bash", "zsh", "fish"]) assert.match((await fieldwatch(["completions", shell])).stdout, /fieldwatch/);
});
