// A checker that never fails proves nothing. Here the server is made to fail on purpose: it does not recognise repeats
// (FIELDWATCH_UNSAFE_FORGET_REPEATS), and the checker must say so. The proof without fsync is in power-cut.test.mjs.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { describe, isClean } from "../checker/check.mjs";
import { HistoryWriter } from "../checker/history.mjs";
import { examine } from "../harness/evidence.mjs";
import { startLoad } from "../harness/load.mjs";
import { seedOfRun } from "../harness/random.mjs";
import { serve, temporaryFolder } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";

const KILLS = 2;
const ENOUGH_REQUESTS = 1_500;

async function reportOf(t, env) {
  const seed = seedOfRun();
  t.diagnostic(`FIELDWATCH_SEED=${seed}`);
  const historyPath = join(temporaryFolder(t), "history.ndjson");
  const server = await serve(t, { env });
  const load = startLoad(t, { url: server.url, history: new HistoryWriter(historyPath), seed });
  for (let kill = 0; kill < KILLS; kill += 1) {
    await pause(500);
    await server.kill();
    await server.start();
  }
  await waitUntil("the load has been answered often enough", () => load.answered > ENOUGH_REQUESTS, 30_000);
  await load.stop();
  const report = await examine(server, historyPath);
  t.diagnostic(describe(report));
  return report;
}

test("the checker finds duplicates when repeats are not recognised", { timeout: 120_000 }, async (t) => {
  const report = await reportOf(t, { FIELDWATCH_UNSAFE_FORGET_REPEATS: "1" });
  assert.ok(report.duplicated.length > 0, "repeats were processed twice and the checker did not see it");
  assert.deepEqual(report.lost, [], "forgetting repeats loses nothing: another fault is hidden here");
});

test("the same load on the server as it is gives a clean report", { timeout: 120_000 }, async (t) => {
  const report = await reportOf(t, {});
  assert.ok(isClean(report), describe(report));
});
