// The server is killed at random moments under load, 25 times (FIELDWATCH_KILLS), also while it starts, and nothing
// that it acknowledged may be lost, doubled or out of order, neither in the log nor on a stream that resumes.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { describe, isClean } from "../checker/check.mjs";
import { HistoryWriter } from "../checker/history.mjs";
import { afterwards } from "../harness/cleanup.mjs";
import { examine } from "../harness/evidence.mjs";
import { startLoad } from "../harness/load.mjs";
import { seeded, seedOfRun } from "../harness/random.mjs";
import { fieldwatch, serve, temporaryFolder } from "../harness/server.mjs";
import { SseClient } from "../harness/sse.mjs";

const KILLS = Number(process.env.FIELDWATCH_KILLS ?? 25);
const LONGEST_LIFE_MS = 1_500;
const SHARE_KILLED_WHILE_STARTING = 0.2;

test(`acknowledged readings survive ${KILLS} kills, once and in order`, { timeout: 60_000 + KILLS * 8_000 }, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`FIELDWATCH_SEED=${seed}`);
  const random = seeded(seed);
  const historyPath = join(temporaryFolder(t), "history.ndjson");
  const server = await serve(t);
  const stream = new SseClient(`${server.url}/api/v1/stream?since=0`);
  afterwards(t, () => stream.close());
  const load = startLoad(t, { url: server.url, history: new HistoryWriter(historyPath), seed });

  let slowestStartMs = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    await pause(random.between(50, LONGEST_LIFE_MS));
    await server.kill();
    if (random.chance(SHARE_KILLED_WHILE_STARTING)) {
      server.spawn();
      await pause(random.between(0, 150));
      await server.kill();
    }
    const begun = Date.now();
    await server.start();
    slowestStartMs = Math.max(slowestStartMs, Date.now() - begun);
  }
  await load.stop();

  const report = await examine(server, historyPath, { streams: [stream] });
  t.diagnostic(`${KILLS} kills, slowest start ${slowestStartMs} ms, stream connections ${stream.connections}: ${describe(report)}`);
  assert.ok(isClean(report), describe(report));
  assert.deepEqual(load.unexpected, []);
  assert.ok(report.acked > KILLS * 100, `only ${report.acked} readings were acknowledged: that is no load`);
  assert.ok(stream.connections > KILLS / 2, `the stream was cut only ${stream.connections} times`);

  const verified = await fieldwatch(["events", "verify", "--data-dir", server.dataDir]);
  assert.equal(verified.code, 0, verified.stderr);
  const { code, elapsedMs } = await server.stop();
  assert.equal(code, 0);
  assert.ok(elapsedMs < 10_000, `the drain took ${elapsedMs} ms`);
});
