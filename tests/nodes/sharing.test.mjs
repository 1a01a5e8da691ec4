// Several nodes as one service: who owns what, commands through any of them, and a reading that always fails.

import assert from "node:assert/strict";
import { test } from "node:test";

import { balanced, node, partitionsOf, startNodes } from "../harness/nodes.mjs";
import { assertProblem } from "../harness/problem.mjs";
import { realServers } from "../harness/real_servers.mjs";
import { get, reading } from "../harness/reporting.mjs";
import { SseClient } from "../harness/sse.mjs";
import { trial } from "../harness/trial.mjs";
import { afterwards } from "../harness/cleanup.mjs";
import { waitUntil } from "../harness/wait.mjs";

const timeout = 240_000;
const POISONED = "poisoned";
const servers = await realServers();
const { skip } = servers;

async function post(one, body) {
  const { status, text } = await one.call("/api/v1/readings", { method: "POST", body });
  assert.equal(status, 202, text);
}

const numbered = (count) => Array.from({ length: count }, (_, number) => `device-${number}`);

test("partitions are shared evenly when nodes join and leave, and every node says who owns which", { skip, timeout }, async (t) => {
  const { nodes, brokerUrl, databaseUrl } = await startNodes(t, servers, { each: [{}] });
  assert.deepEqual(await balanced(nodes), [16]);
  for (const expected of [[8, 8], [5, 5, 6]]) {
    const joined = await node(t, { brokerUrl, databaseUrl });
    nodes.push(await joined.start());
    const begun = Date.now();
    const shares = await balanced(nodes);
    t.diagnostic(`${nodes.length} nodes: ${shares}, ${Date.now() - begun} ms after the join`);
    assert.ok(Math.max(...shares) <= Math.max(...expected) + 1, `shares ${shares}`);
  }
  const owners = new Set((await partitionsOf(nodes[0])).map(({ owner }) => owner));
  assert.equal(owners.size, 3);
  for (const { pid } of nodes) assert.ok([...owners].some((owner) => owner.includes(String(pid))), `${pid} is among ${[...owners]}`);

  const { text } = await nodes[1].call("/metrics");
  const owned = text.split("\n").filter((line) => /^fieldwatch_partition_owned\{.*\} 1$/.test(line));
  assert.equal(owned.length, (await partitionsOf(nodes[1])).filter(({ ours }) => ours).length);

  assert.equal((await nodes[0].stop()).code, 0);
  const left = await balanced(nodes);
  assert.equal(left.reduce((sum, share) => sum + share), 16);
});

test("names and labels, forgetting and lists work through any node, whoever owns the device", { skip, timeout }, async (t) => {
  const { nodes } = await startNodes(t, servers);
  await balanced(nodes);
  const ids = numbered(24);
  await post(nodes[0], ids.map((id) => reading(id, 20)));
  for (const one of nodes) await waitUntil("all devices are known everywhere", async () => (await one.devices()).length === ids.length);

  // 24 devices in 16 partitions of 3 nodes: most of these go to a node that does not own the device.
  for (const [number, id] of ids.entries()) {
    const [through, other] = [nodes[number % 3], nodes[(number + 1) % 3]];
    const { status, text } = await through.call(`/api/v1/devices/${id}`, { method: "PATCH", body: { name: `name ${number}`, labels: ["all"] } });
    assert.equal(status, 200, text);
    await waitUntil("the name is shown elsewhere", async () => (await get(other, `/api/v1/devices/${id}`)).name === `name ${number}`);
  }
  for (const one of nodes) {
    await waitUntil("all labels are known everywhere", async () => (await get(one, "/api/v1/devices?label=all&limit=1000")).devices.length === ids.length);
  }
  assertProblem(await nodes[1].call("/api/v1/devices/nobody", { method: "PATCH", body: { name: "x" } }), 404);

  const forgotten = ids.slice(0, 12);
  for (const [number, id] of forgotten.entries()) {
    const { status, text } = await nodes[number % 3].call(`/api/v1/devices/${id}`, { method: "DELETE" });
    assert.equal(status, 204, text);
  }
  for (const one of nodes) {
    await waitUntil("they are gone everywhere", async () => (await one.devices()).length === ids.length - forgotten.length);
    for (const id of forgotten) {
      const { text } = await one.call(`/api/v1/devices/${id}/events`);
      assert.doesNotMatch(text, /"temperature":20/, `${id} still tells: ${text}`);
    }
  }
  // Created anew, its versions go on: created, described, forgotten, created.
  await post(nodes[2], reading(forgotten[0], 30));
  await waitUntil("it is back", async () => (await nodes[1].call(`/api/v1/devices/${forgotten[0]}`)).json.version === 4);
});

test("an event is seen on the streams of all nodes, and a browser goes on at any of them", { skip, timeout }, async (t) => {
  const { nodes } = await startNodes(t, servers);
  const follow = (one, more) => {
    const stream = new SseClient(`${one.url}/api/v1/stream`, more);
    afterwards(t, () => stream.close());
    return stream;
  };
  const streams = nodes.map((one) => follow(one));
  for (const stream of streams) await stream.until("hello", ({ event }) => event === "hello");
  assert.equal(new Set(streams.map((stream) => stream.messages[0].data.logId)).size, 1);

  for (const [number, one] of nodes.entries()) await post(one, reading(`through-${number}`, number));
  for (const stream of streams) {
    await waitUntil("each has all three", () => stream.named("DeviceHasBeenCreated").length === 3);
    assert.deepEqual(stream.named("DeviceHasBeenCreated"), streams[0].named("DeviceHasBeenCreated"));
  }
  // From each event on at each node: what follows it, and nothing else.
  const events = streams[0].named("DeviceHasBeenCreated");
  for (const one of nodes) {
    for (const [at, { id }] of events.entries()) {
      const resumed = follow(one, { resume: false, lastEventId: id });
      await waitUntil("the rest comes", () => resumed.named("DeviceHasBeenCreated").length === events.length - at - 1);
      assert.deepEqual(resumed.named("DeviceHasBeenCreated"), events.slice(at + 1));
    }
  }
});

test("a reading that always fails is parked, and everything around and behind it goes on", { skip, timeout }, async (t) => {
  const options = { nodes: { env: { FIELDWATCH_TEST_PANIC_DEVICE: POISONED } }, mayPanic: new RegExp(`the turn of ${POISONED} panics`) };
  const { nodes, brokerUrl, databaseUrl } = await trial(t, servers, options, async ({ nodes, history, flows, cutStream }) => {
    // Beside the load, whose readings come alone or with those of few devices: 40 that come with it, and again from another node.
    const ids = numbered(40);
    const neighbours = (temperature) => ids.map((id) => reading(id, temperature));
    const noted = (readings, sequence) => history.sent(readings.map((one) => ({ ...one, sequence, readingId: null, at: null, late: false })));
    const first = noted(neighbours(1), 0);
    await post(nodes[0], neighbours(1).toSpliced(20, 0, reading(POISONED, 1)));
    history.acked(first);
    cutStream();
    const second = noted(neighbours(50), 1);
    await post(nodes[1], neighbours(50));
    history.acked(second);
    await flows();
    for (const one of nodes) {
      await waitUntil("it is parked, once", async () => (await get(one, "/api/v1/status")).deadLetters === 1, 60_000);
    }
  });
  const panics = nodes.flatMap((one) => one.panics);
  t.diagnostic(`${panics.length} panics, such as ${panics[0]}`);
  assert.ok(panics.length > 0, "it has failed");
  for (const one of nodes) {
    assert.ok(one.isRunning());
    assert.equal((await get(one, "/api/v1/status")).deadLetters, 1);
  }
  const { deadLetters } = await get(nodes[2], "/api/v1/dead-letters");
  assert.deepEqual(deadLetters.map(({ deviceId }) => deviceId), [POISONED]);
  t.diagnostic(JSON.stringify(deadLetters[0]));

  // When the cause is gone, any node can bring it back.
  for (const one of nodes) assert.equal((await one.stop()).code, 0);
  const [{ id }] = deadLetters;
  const healthy = await node(t, { brokerUrl, databaseUrl });
  await healthy.start();
  const requeued = await healthy.call(`/api/v1/dead-letters/${id}/requeue`, { method: "POST" });
  assert.equal(requeued.status, 202, requeued.text);
  await waitUntil("it has its effect", async () => (await healthy.call(`/api/v1/devices/${POISONED}`)).status === 200, 60_000);
  await waitUntil("no letter is left", async () => (await get(healthy, "/api/v1/status")).deadLetters === 0, 60_000);
});
