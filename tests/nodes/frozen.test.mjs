// The broker, the database and a node stop in their tracks for FIELDWATCH_FREEZE_MS (8 s) and go on: connections stay open and
// nobody answers. Nothing that was acknowledged may be lost, doubled or out of order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { balanced } from "../harness/nodes.mjs";
import { realServers } from "../harness/real_servers.mjs";
import { trial } from "../harness/trial.mjs";

const FREEZE_MS = Number(process.env.FIELDWATCH_FREEZE_MS ?? 8_000);
const timeout = 300_000 + 4 * FREEZE_MS;
const servers = await realServers();
const { skip } = servers;

for (const kind of ["broker", "database"]) {
  test(`three nodes go on after the ${kind} was frozen for ${FREEZE_MS} ms`, { skip, timeout }, async (t) => {
    await trial(t, servers, {}, async ({ nodes, flows, cutStream }) => {
      await servers[kind].freeze();
      cutStream();
      // This is the length of the fault, not a wait for something.
      await pause(FREEZE_MS);
      await servers[kind].thaw();
      const ended = Date.now();
      cutStream();
      await flows();
      await Promise.all(nodes.map((node) => node.ready(60_000)));
      await balanced(nodes);
      t.diagnostic(`ready and shared evenly ${Date.now() - ended} ms after the ${kind} was thawed`);
      return ended;
    });
  });
}

test("a node that comes to itself after others took over writes nothing of what it had in hand", { skip, timeout }, async (t) => {
  await trial(t, servers, { mayNotAnswer: [0] }, async ({ nodes, flows, cutStream }) => {
    nodes[0].freeze();
    const begun = Date.now();
    cutStream();
    await balanced(nodes, 120_000);
    t.diagnostic(`the others took over ${Date.now() - begun} ms after the freeze`);
    await pause(Math.max(0, FREEZE_MS - (Date.now() - begun)));
    assert.ok(nodes[1].isRunning() && nodes[2].isRunning());
    nodes[0].thaw();
    const ended = Date.now();
    cutStream();
    await flows();
    await Promise.all(nodes.map((node) => node.ready(60_000)));
    t.diagnostic(`shares: ${await balanced(nodes)}, ${Date.now() - ended} ms after the thaw`);
    return ended;
  });
});
