// A node, the broker and the database are killed under load, each FIELDWATCH_NODE_KILLS times (1), and nothing that was
// acknowledged may be lost, doubled or out of order, wherever one looks.

import { test } from "node:test";

import { balanced } from "../harness/nodes.mjs";
import { realServers } from "../harness/real_servers.mjs";
import { trial } from "../harness/trial.mjs";

const KILLS = Number(process.env.FIELDWATCH_NODE_KILLS ?? 1);
const timeout = 240_000 + KILLS * 60_000;
const servers = await realServers();
const { skip } = servers;

test(`three nodes go on when one of them is killed, ${KILLS} times`, { skip, timeout }, async (t) => {
  await trial(t, servers, {}, async ({ nodes, flows, cutStream }) => {
    let ended;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const victim = nodes[kill % nodes.length];
      await victim.kill();
      const begun = Date.now();
      cutStream();
      await balanced(nodes);
      t.diagnostic(`all partitions have owners again ${Date.now() - begun} ms after the kill`);
      await flows();
      await victim.start();
      ended = Date.now();
      t.diagnostic(`shares after it came back: ${await balanced(nodes)}, after ${Date.now() - ended} ms`);
    }
    return ended;
  });
});

const apart = [{ roles: ["ingest"] }, { roles: ["state"] }, { roles: ["state"] }, { roles: ["api"] }];

test("roles apart: one of two nodes with role state is killed", { skip, timeout }, async (t) => {
  await trial(t, servers, { nodes: { each: apart } }, async ({ nodes, flows, cutStream }) => {
    await nodes[1].kill();
    cutStream();
    await balanced(nodes);
    await flows();
    await nodes[1].start();
    return Date.now();
  });
});

for (const kind of ["broker", "database"]) {
  test(`three nodes go on when the ${kind} is killed, ${KILLS} times`, { skip, timeout }, async (t) => {
    const server = servers[kind];
    await trial(t, servers, {}, async ({ nodes, flows, cutStream }) => {
      let ended;
      for (let kill = 0; kill < KILLS; kill += 1) {
        await server.kill();
        cutStream();
        await server.restart();
        ended = Date.now();
        await flows();
        await Promise.all(nodes.map((node) => node.ready(60_000)));
        await balanced(nodes);
        t.diagnostic(`ready and shared evenly ${Date.now() - ended} ms after the ${kind} came back`);
      }
      return ended;
    });
  });
}
