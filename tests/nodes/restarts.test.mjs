// An upgrade: one node after another is stopped and started again, under load.

import assert from "node:assert/strict";
import { test } from "node:test";

import { balanced } from "../harness/nodes.mjs";
import { realServers } from "../harness/real_servers.mjs";
import { trial } from "../harness/trial.mjs";

const STOP_DEADLINE_MS = 10_000;
const servers = await realServers();
const { skip } = servers;

test("three nodes are restarted one after another", { skip, timeout: 300_000 }, async (t) => {
  await trial(t, servers, {}, async ({ nodes, flows, cutStream }) => {
    for (const node of nodes) {
      const { code, signal, elapsedMs } = await node.stop();
      t.diagnostic(`stopped within ${elapsedMs} ms`);
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, node.log());
      assert.ok(elapsedMs < STOP_DEADLINE_MS, `the drain took ${elapsedMs} ms`);
      cutStream();
      const begun = Date.now();
      await balanced(nodes);
      t.diagnostic(`the others own everything ${Date.now() - begun} ms later`);
      await flows();
      await node.start();
      t.diagnostic(`shares after it joined: ${await balanced(nodes)}`);
    }
  });
});
