// The connections of one node go silent for FIELDWATCH_FREEZE_MS (8 s): nothing comes, and nothing tells it that they are dead. It has
// to find that out by its own deadlines; the other nodes take over. Then the network is back, and what waited in it arrives late.

import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { balanced } from "../harness/nodes.mjs";
import { proxyBefore } from "../harness/proxy.mjs";
import { realServers } from "../harness/real_servers.mjs";
import { trial } from "../harness/trial.mjs";

const FREEZE_MS = Number(process.env.FIELDWATCH_FREEZE_MS ?? 8_000);
const timeout = 300_000 + 4 * FREEZE_MS;
const servers = await realServers();
const { skip } = servers;

for (const [kind, key] of [["broker", "brokerUrl"], ["database", "databaseUrl"]]) {
  test(`a node whose connections to the ${kind} go silent for ${FREEZE_MS} ms`, { skip, timeout }, async (t) => {
    let proxy;
    const throughProxy = async (urls) => {
      proxy = await proxyBefore(t, urls[key]);
      return { [key]: proxy.url };
    };
    await trial(t, servers, { nodes: { each: [throughProxy, {}, {}] } }, async ({ nodes, flows, cutStream }) => {
      proxy.silence();
      cutStream();
      const begun = Date.now();
      await balanced([nodes[1], nodes[2]], 120_000);
      t.diagnostic(`the others own everything ${Date.now() - begun} ms after the silence began`);
      await flows();
      await pause(Math.max(0, FREEZE_MS - (Date.now() - begun)));
      proxy.pass();
      const ended = Date.now();
      cutStream();
      await flows();
      await Promise.all(nodes.map((node) => node.ready(60_000)));
      t.diagnostic(`shares: ${await balanced(nodes)}, ${Date.now() - ended} ms after the network was back`);
      return ended;
    });
  });
}
