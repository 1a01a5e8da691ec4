// What a node does while its broker or its database is away, full, or not the one it should be.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { balanced, drained, node, nodeEnvironment, readiness, startNodes } from "../harness/nodes.mjs";
import { proxyBefore } from "../harness/proxy.mjs";
import { realServers } from "../harness/real_servers.mjs";
import { reading } from "../harness/reporting.mjs";
import { fieldwatch, temporaryFolder } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";

const timeout = 240_000;
const ANSWER_DEADLINE_MS = 20_000;
const servers = await realServers();
const { skip, broker, database } = servers;

/** Posts a reading; answers its status. A 503 must say when to try again. */
async function post(one, body = reading("a", 1)) {
  const begun = Date.now();
  const { status, headers, text } = await one.call("/api/v1/readings", { method: "POST", body, deadlineMs: ANSWER_DEADLINE_MS });
  if (status === 503) assert.ok(Number(headers["retry-after"]) >= 1, `503 without Retry-After: ${text}`);
  return { status, text, elapsedMs: Date.now() - begun };
}

const says = (one, words, deadlineMs) => waitUntil(`/health/ready says ${words}`, async () => {
  const ready = await readiness(one);
  return ready?.status === 503 && words.test(ready.trouble) ? ready : false;
}, deadlineMs);

test("without a broker a node starts, says so, refuses readings, and takes over when it comes", { skip, timeout }, async (t) => {
  const [brokerUrl, databaseUrl] = await Promise.all([broker.vhost(), database.freshDatabase()]);
  await broker.kill();
  const one = (await node(t, { brokerUrl, databaseUrl })).spawn();
  try {
    t.diagnostic((await says(one, /queue: /)).trouble);
    const { status, elapsedMs } = await post(one);
    assert.equal(status, 503);
    t.diagnostic(`503 after ${elapsedMs} ms`);
    assert.ok(one.isRunning());
  } finally {
    await broker.restart();
  }
  await one.ready(60_000);
  assert.equal((await post(one)).status, 202);
  await waitUntil("it has its effect", async () => (await one.devices()).length === 1);
});

test("without a database a node starts, says so, takes readings, and decides them when it comes", { skip, timeout }, async (t) => {
  const [brokerUrl, databaseUrl] = await Promise.all([broker.vhost(), database.freshDatabase()]);
  await database.kill();
  const one = (await node(t, { brokerUrl, databaseUrl })).spawn();
  try {
    t.diagnostic((await says(one, /store|start/)).trouble);
    // Whether this is our log is not known yet, and a reading is safe in the broker all the same (CONTRACT §7).
    await waitUntil("readings are taken", async () => (await post(one)).status === 202);
  } finally {
    await database.restart();
  }
  await one.ready(60_000);
  await waitUntil("it has its effect", async () => (await one.devices()).length === 1);
});

test("while the broker's disk is full readings are refused, and afterwards taken again", { skip, timeout }, async (t) => {
  const { nodes: [one] } = await startNodes(t, servers, { each: [{}] });
  assert.equal((await post(one)).status, 202);
  await broker.alarm(true);
  try {
    const { text, elapsedMs } = await waitUntil("it is noticed", async () => {
      const answer = await post(one, reading("b", 2));
      return answer.status === 503 ? answer : false;
    });
    t.diagnostic(`503 after ${elapsedMs} ms: ${text}`);
    t.diagnostic((await says(one, /queue: /)).trouble);
  } finally {
    await broker.alarm(false);
  }
  await waitUntil("readings are taken again", async () => (await post(one, reading("c", 3))).status === 202);
  await one.ready(60_000);
  await waitUntil("all of them have their effect", async () => (await one.devices()).some(({ deviceId }) => deviceId === "c"));
});

test("a node with another number of partitions, or another store, takes nothing and says why", { skip, timeout }, async (t) => {
  const { nodes: [first], brokerUrl, databaseUrl } = await startNodes(t, servers, { each: [{}] });
  assert.equal((await post(first)).status, 202);
  const { json: { logId } } = await first.call("/api/v1/status");

  const otherNumber = (await node(t, { brokerUrl, databaseUrl, env: { FIELDWATCH_QUEUE__RABBITMQ__PARTITIONS: "8" } })).spawn();
  t.diagnostic((await says(otherNumber, /queue: .*16.*8|queue: .*8.*16/, 60_000)).trouble);
  assert.equal((await post(otherNumber, reading("b", 1))).status, 503);

  const otherStore = (await node(t, { brokerUrl, databaseUrl: await database.freshDatabase() })).spawn();
  t.diagnostic((await says(otherStore, new RegExp(`queue: .*${logId}`), 60_000)).trouble);
  assert.equal((await post(otherStore, reading("c", 1))).status, 503);

  // Neither has disturbed the one that was first.
  assert.deepEqual(await balanced([first]), [16]);
  assert.equal((await post(first, reading("d", 1))).status, 202);
  await waitUntil("it has its effect", async () => (await first.devices()).length === 2);
  assert.deepEqual((await first.devices()).map(({ deviceId }) => deviceId), ["a", "d"]);
});

test("a node whose broker goes silent answers each POST, and takes readings again when it is back", { skip, timeout }, async (t) => {
  let proxy;
  const throughProxy = async ({ brokerUrl }) => {
    proxy = await proxyBefore(t, brokerUrl);
    return { brokerUrl: proxy.url };
  };
  const { nodes: [one] } = await startNodes(t, servers, { each: [throughProxy] });
  assert.equal((await post(one)).status, 202);
  proxy.silence();
  const answers = await Promise.all([1, 2, 3].map((number) => post(one, reading("b", number))));
  t.diagnostic(`answers: ${answers.map(({ status, elapsedMs }) => `${status} after ${elapsedMs} ms`).join(", ")}`);
  assert.deepEqual(answers.map(({ status }) => status), [503, 503, 503]);
  await says(one, /queue: /, 60_000);
  proxy.pass();
  await waitUntil("readings are taken again", async () => (await post(one, reading("c", 3))).status === 202, 60_000);
  await one.ready(60_000);
});

test("the number of partitions is changed offline, by `broker reset`, and devices go on", { skip, timeout }, async (t) => {
  const { nodes: [first], brokerUrl, databaseUrl } = await startNodes(t, servers, { each: [{}] });
  const reset = () => fieldwatch(["broker", "reset"], { env: nodeEnvironment({ brokerUrl, databaseUrl }) });
  const ids = Array.from({ length: 20 }, (_, number) => `device-${number}`);
  assert.equal((await post(first, ids.map((id) => reading(id, 1)))).status, 202);
  await waitUntil("all are known", async () => (await first.devices()).length === ids.length);
  await drained([first]);

  const inUse = await reset();
  assert.equal(inUse.code, 1, inUse.stdout + inUse.stderr);
  t.diagnostic(inUse.stderr.trim());
  assert.equal((await first.stop()).code, 0);
  const done = await reset();
  assert.equal(done.code, 0, done.stderr);
  t.diagnostic((done.stdout + done.stderr).trim());

  const next = await node(t, { brokerUrl, databaseUrl, env: { FIELDWATCH_QUEUE__RABBITMQ__PARTITIONS: "8" } });
  await next.start();
  assert.deepEqual(await balanced([next]), [8]);
  assert.equal((await post(next, ids.map((id) => reading(id, 50)))).status, 202);
  await waitUntil("each has gone on from where it was", async () => {
    const devices = await next.devices();
    return devices.length === ids.length && devices.every(({ temperature, version }) => temperature === 50 && version === 2);
  });
});

test("a node speaks to its broker encrypted, with its address from a file, and its password is in no log", { skip, timeout }, async (t) => {
  const databaseUrl = await database.freshDatabase();
  const encrypted = await broker.encryptedVhost();
  if (encrypted.missing !== undefined) return t.skip(encrypted.missing);
  assert.match(encrypted.url, /^amqps:/);
  const urlFile = join(temporaryFolder(t), "broker-url");
  writeFileSync(urlFile, `${encrypted.url}\n`, { mode: 0o600 });
  const env = { FIELDWATCH_QUEUE__RABBITMQ__URL_FILE: urlFile, FIELDWATCH_QUEUE__RABBITMQ__CA_FILE: encrypted.authority };
  const one = await node(t, { databaseUrl, env });
  await one.start();
  assert.equal((await post(one)).status, 202);
  await waitUntil("it has its effect", async () => (await one.devices()).length === 1);

  const unbelieving = (await node(t, { databaseUrl, env: { FIELDWATCH_QUEUE__RABBITMQ__URL_FILE: urlFile } })).spawn();
  const { trouble } = await says(unbelieving, /queue: .*certificate/i);
  t.diagnostic(trouble);
  const { password } = new URL(encrypted.url);
  assert.ok(password.length > 0);
  for (const text of [one.log(), unbelieving.log(), trouble, JSON.stringify((await one.call("/api/v1/status")).json)]) {
    assert.ok(!text.includes(password), `the password is in ${text}`);
  }
});

test("a database that fails while devices are restored is asked again until it answers", { skip, timeout }, async (t) => {
  const { nodes: [first], brokerUrl, databaseUrl } = await startNodes(t, servers, { each: [{}] });
  assert.equal((await post(first)).status, 202);
  await waitUntil("it has its effect", async () => (await first.devices()).length === 1);
  assert.equal((await first.stop()).code, 0);
  // Restoring reads the snapshots, which are not there for a while.
  await database.sql(databaseUrl, "ALTER TABLE fieldwatch_snapshots RENAME TO fieldwatch_snapshots_away");
  const next = (await node(t, { brokerUrl, databaseUrl })).spawn();
  t.diagnostic((await says(next, /fieldwatch_snapshots/)).trouble);
  await waitUntil("readings are taken meanwhile", async () => (await post(next, reading("b", 1))).status === 202);
  await database.sql(databaseUrl, "ALTER TABLE fieldwatch_snapshots_away RENAME TO fieldwatch_snapshots");
  await next.ready(60_000);
  await waitUntil("all is there", async () => (await next.devices()).length === 2);
});
