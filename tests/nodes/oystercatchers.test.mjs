// Readings of real trackers, published by a foreign program in the original's format to the original's queue, through three nodes:
// against the reference model, as tests/real-input does for one node.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";

import { assertAsModelled } from "../harness/modelled.mjs";
import { balanced, drained, eventsThrough, startNodes } from "../harness/nodes.mjs";
import { realServers } from "../harness/real_servers.mjs";
import { waitUntil } from "../harness/wait.mjs";
import { Fleet } from "../reference/fleet.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const FILE = resolve(process.env.FIELDWATCH_DATA ?? join(here, "../../../shared/data/oystercatchers-2018.csv.gz"));
const PUBLISHER = join(here, "../support/publisher/publish.mjs");
const servers = await realServers();
const skip = servers.skip
  || (existsSync(FILE) ? false : `${FILE} is absent; name it in FIELDWATCH_DATA`)
  || (existsSync(join(here, "../node_modules/amqplib")) ? false : "amqplib is absent: npm --prefix tests ci");

/** What the reference model makes of the messages: their times have whole seconds, and equal messages are one reading. */
function expected() {
  const fleet = new Fleet();
  const clock = Date.now();
  const [, ...rows] = gunzipSync(readFileSync(FILE)).toString("utf8").trim().split("\n");
  const events = rows.flatMap((row) => {
    const [at, deviceId, temperature, lat, lon] = row.split(",");
    const second = `${new Date(at).toISOString().slice(0, 19)}.000Z`;
    const readingId = createHash("sha256").update([second, deviceId, temperature, lat, lon].join()).digest("hex");
    return fleet.take({ at: second, deviceId, temperature, lat, lon, readingId }, clock).events;
  });
  // The ids that the server derives are its own.
  return { events: events.map((event) => ({ ...event, readingId: null })), devices: fleet.views() };
}

test("original messages from a foreign publisher give what the reference model has", { skip, timeout: 300_000 }, async (t) => {
  const { nodes, brokerUrl } = await startNodes(t, servers, { env: { FIELDWATCH_QUEUE__RABBITMQ__ORIGINAL: "durable" } });
  await balanced(nodes);
  const { events, devices } = expected();
  const begun = Date.now();
  const { stdout } = await promisify(execFile)(process.execPath, [PUBLISHER, brokerUrl, FILE]);
  t.diagnostic(stdout.trim());
  for (const node of nodes) {
    const versions = () => node.devices().then((listed) => listed.map(({ deviceId, version, lastSeen }) => [deviceId, version, lastSeen]));
    const wanted = devices.map(([deviceId, { version, lastSeen }]) => [deviceId, version, lastSeen]);
    await waitUntil("all devices are where they should be", async () => {
      const listed = await versions();
      return JSON.stringify(listed) === JSON.stringify(wanted);
    }, 120_000).catch(async (error) => {
      assert.deepEqual(await versions(), wanted);
      throw error;
    });
  }
  t.diagnostic(`published and processed within ${Date.now() - begun} ms`);
  await drained(nodes);
  for (const node of nodes) {
    const seen = {
      drained: () => {},
      exportedEvents: async () => eventsThrough(node, await node.devices()),
      devices: () => node.devices(),
      call: (path) => node.call(path),
    };
    t.diagnostic(JSON.stringify(await assertAsModelled(seen, events, devices)));
  }
  assert.equal((await nodes[0].call("/api/v1/status")).json.deadLetters, 0);
});
