// Several Fieldwatch processes on one broker and one database, as CONTRACT §7 and §8 describe them.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { readHistory } from "../checker/history.mjs";
import { check } from "../checker/check.mjs";
import { afterwards } from "./cleanup.mjs";
import { someTracks } from "./evidence.mjs";
import { allPages, request } from "./http.mjs";
import { freePort } from "./ports.mjs";
import { Server, temporaryFolder } from "./server.mjs";
import { waitUntil } from "./wait.mjs";

export const ALL_ROLES = ["ingest", "state", "api"];
/** Promised are 30 s on default settings; a machine that is busy with other things may take longer. */
export const PROCESSED_DEADLINE_MS = 90_000;
const DECIDED_DEADLINE_MS = 60_000;

export class Node extends Server {
  constructor({ roles = ALL_ROLES, ...more }) {
    super(more);
    this.roles = roles;
  }

  has(role) {
    return this.roles.includes(role);
  }

  get isUsable() {
    return this.isRunning() && !this.isFrozen;
  }
}

/** The variables by which a node finds its broker and its database. */
export function nodeEnvironment({ brokerUrl, databaseUrl, roles = ALL_ROLES, env = {} }) {
  return {
    FIELDWATCH_SERVER__ROLES: roles.join(","),
    FIELDWATCH_QUEUE__KIND: "rabbitmq",
    FIELDWATCH_QUEUE__RABBITMQ__URL: brokerUrl,
    FIELDWATCH_STORE__KIND: "postgresql",
    FIELDWATCH_STORE__POSTGRESQL__URL: databaseUrl,
    ...env,
  };
}

/** A node for a test, not yet started; killed after it. */
export async function node(t, { brokerUrl, databaseUrl, roles, env }) {
  const folder = join(temporaryFolder(t), "node");
  mkdirSync(folder);
  const one = new Node({
    roles, dataDir: join(folder, "data"), port: await freePort(), env: nodeEnvironment({ brokerUrl, databaseUrl, roles, env }),
  });
  afterwards(t, () => (one.isRunning() ? one.kill() : undefined));
  return one;
}

/**
 * Nodes for a test, ready, on a virtual host and a database of their own. `each` has one entry for a node:
 * `{roles, env, brokerUrl, databaseUrl}`, each with a default; `env` goes to all of them.
 */
export async function startNodes(t, { broker, database }, { each = [{}, {}, {}], env = {} } = {}) {
  const [brokerUrl, databaseUrl] = await Promise.all([broker.vhost(), database.freshDatabase()]);
  const nodes = [];
  for (const one of each) {
    const own = typeof one === "function" ? await one({ brokerUrl, databaseUrl }) : one;
    nodes.push(await node(t, { brokerUrl, databaseUrl, ...own, env: { ...env, ...own.env } }));
  }
  for (const one of nodes) one.spawn();
  await Promise.all(nodes.map((one) => one.ready()));
  return { nodes, brokerUrl, databaseUrl };
}

/** What a node says about each partition. */
export async function partitionsOf(one) {
  const { status, json, text } = await one.call("/api/v1/status");
  assert.equal(status, 200, text);
  return json.partitions ?? [];
}

/**
 * Waits until every partition is owned by one of the running nodes with role state, all nodes agree on who that is, and no node has
 * more than one above its share. Answers how many each of those nodes owns.
 */
export async function balanced(nodes, deadlineMs = 60_000) {
  const running = nodes.filter((one) => one.isUsable);
  const owners = running.filter((one) => one.has("state"));
  let seen;
  return waitUntil("the partitions are shared evenly", async () => {
    const reports = await Promise.all(running.map(partitionsOf));
    seen = reports.map((report) => report.map(({ owner }) => owner));
    const [first, ...others] = seen;
    const agreed = first.length > 0 && !first.includes(null) && others.every((other) => other.join() === first.join());
    if (!agreed) return false;
    const ours = running.map((one, at) => reports[at].filter((partition) => partition.ours).length);
    const shares = ours.filter((_, at) => owners.includes(running[at]));
    const whole = shares.reduce((sum, share) => sum + share, 0) === first.length;
    return whole && Math.max(...shares) <= first.length / owners.length + 1 ? shares : false;
  }, deadlineMs).catch((error) => {
    throw new Error(`${error.message}; each node's view of the owners: ${JSON.stringify(seen)}`);
  });
}

/** Waits until the effect of the last acknowledged reading of each device can be seen through `one`. */
export async function processed(one, historyPath, deadlineMs = PROCESSED_DEADLINE_MS) {
  const last = new Map();
  for (const reading of readHistory(historyPath)) {
    if (reading.outcome === "acked" && !reading.late) last.set(reading.deviceId, reading);
  }
  let behind;
  await waitUntil("everything acknowledged is processed", async () => {
    const shown = new Map((await one.devices()).map((device) => [device.deviceId, device.temperature]));
    behind = [...last.values()].filter(({ deviceId, temperature }) => shown.get(deviceId) !== Number(temperature));
    return behind.length === 0;
  }, deadlineMs).catch((error) => {
    const samples = behind?.slice(0, 5).map(({ deviceId, sequence, temperature }) => ({ deviceId, sequence, temperature }));
    throw new Error(`${error.message}; ${behind?.length} devices are behind, such as ${JSON.stringify(samples)}`, { cause: error.cause });
  });
}

/** Waits until no node holds or knows of anything that is not decided. */
export async function drained(nodes) {
  for (const one of nodes.filter((other) => other.isUsable)) await one.drained(DECIDED_DEADLINE_MS);
}

/** All events of all devices through the API of one node, in the order of their positions. */
export async function eventsThrough(one, devices) {
  const histories = [];
  for (const { deviceId } of devices) {
    histories.push(await allPages(`${one.url}/api/v1/devices/${encodeURIComponent(deviceId)}/events?order=asc&limit=1000`, "events"));
  }
  return histories.flat().sort((left, right) => left.position - right.position);
}

/**
 * The checker's report of everything that can be seen through one node with role api, streams included: each has to have
 * shown every event once, through whichever nodes.
 */
export async function examineThrough(one, historyPath, { streams = [] } = {}) {
  const readings = readHistory(historyPath);
  const events = await eventsThrough(one, await one.devices());
  const last = events.at(-1)?.position ?? 0;
  for (const stream of streams) {
    await stream.until(`the stream has shown the last event, ${last}`, ({ data }) => data.position === last && data.type !== undefined, 60_000);
  }
  return check({
    readings,
    events,
    devices: await one.devices(),
    tracks: await someTracks(one, readings),
    streams: streams.map((stream) => stream.messages),
  });
}

/** What `/health/ready` says: `{status, trouble, notes}`, or undefined when nobody answers. */
export async function readiness(one) {
  try {
    const { status, json } = await request(`${one.url}/health/ready`, { deadlineMs: 2_000 });
    return { status, trouble: (json?.trouble ?? []).join("; "), notes: (json?.notes ?? []).join("; ") };
  } catch {
    return undefined;
  }
}
