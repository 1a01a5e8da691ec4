// deploy/three-nodes/run.sh as somebody would run it, on other ports.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { afterwards } from "../harness/cleanup.mjs";
import { call } from "../harness/http.mjs";
import { freePort } from "../harness/ports.mjs";
import { reading } from "../harness/reporting.mjs";
import { binary, temporaryFolder } from "../harness/server.mjs";
import { SseClient } from "../harness/sse.mjs";
import { waitUntil } from "../harness/wait.mjs";

const script = join(dirname(fileURLToPath(import.meta.url)), "../../deploy/three-nodes/run.sh");
const missing = ["/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/lib/postgresql"].filter((path) => !existsSync(path));
const skip = missing.length > 0 ? `there is no ${missing.join(", no ")} (Debian: rabbitmq-server, postgresql)` : false;

/** The script, running; `said` grows. Ended after the test with everything that it started. */
function run(t, folder, env) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("FIELDWATCH_"));
  const child = spawn(script, [folder], { stdio: ["ignore", "pipe", "pipe"], env: { ...Object.fromEntries(own), ...env } });
  const running = { said: "", ended: once(child, "exit"), child };
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text) => { running.said += text; });
  afterwards(t, async () => {
    child.kill("SIGTERM");
    await running.ended;
  });
  return running;
}

async function environment() {
  const [first, second, third, ...others] = await Promise.all(Array.from({ length: 7 }, freePort));
  const names = ["AMQP_PORT", "ERLANG_PORT", "EPMD_PORT", "POSTGRESQL_PORT"];
  return {
    urls: [first, second, third].map((port) => `http://127.0.0.1:${port}`),
    env: {
      FIELDWATCH_BIN: binary(),
      NODE_PORTS: `${first} ${second} ${third}`,
      ...Object.fromEntries(names.map((name, at) => [name, String(others[at])])),
    },
  };
}

async function started(running) {
  const hasEnded = () => running.child.exitCode !== null;
  await waitUntil("it is up", () => hasEnded() || running.said.includes("Ctrl-C ends all"), 120_000);
  assert.ok(!hasEnded(), `it has ended: ${running.said}`);
}

test("three nodes start with one command, are one service, and end with Ctrl-C", { skip, timeout: 300_000 }, async (t) => {
  const parent = temporaryFolder(t);
  // As root, the database runs as another user, who has to get through.
  chmodSync(parent, 0o755);
  const folder = join(parent, "three");
  const { urls, env } = await environment();
  const running = run(t, folder, env);
  await started(running);
  for (const url of urls) assert.ok(running.said.includes(`ready: ${url}`), running.said);

  for (const name of readdirSync(join(folder, "secrets"))) {
    assert.equal(statSync(join(folder, "secrets", name)).mode & 0o777, 0o600, `${name} is its owner's only`);
  }
  const stream = new SseClient(`${urls[2]}/api/v1/stream`);
  afterwards(t, () => stream.close());
  await stream.until("hello", ({ event }) => event === "hello");
  const answer = await call(`${urls[0]}/api/v1/readings`, { method: "POST", body: reading("first", 4.5) });
  assert.equal(answer.status, 202, answer.text);
  await stream.until("its event is seen at another node", ({ data }) => data.deviceId === "first" && data.temperature === 4.5);

  running.child.kill("SIGINT");
  assert.deepEqual(await running.ended, [0, null], running.said);
  for (const url of urls) await assert.rejects(call(`${url}/health/live`), /ECONNREFUSED/);

  // It goes on with what it has.
  const again = run(t, folder, env);
  await started(again);
  assert.equal((await call(`${urls[1]}/api/v1/devices/first`)).json.temperature, 4.5);
});
