// Readings that could not be processed, and what becomes of them when their device is forgotten.

import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { assertProblem } from "../harness/problem.mjs";
import { get, reading, report } from "../harness/reporting.mjs";
import { fieldwatch, serve, temporaryFolder } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";

const DEVICE = "secret-7";

/** The data folder's letters, as the server and as the command line beside it list them. */
async function letters(server) {
  const { deadLetters, waiting } = await get(server, "/api/v1/dead-letters");
  return { ids: deadLetters.map(({ id }) => id), waiting, text: JSON.stringify(deadLetters) };
}

async function listedByCommand(server) {
  const { code, stdout, stderr } = await fieldwatch(["dead-letters", "list", "--data-dir", server.dataDir]);
  assert.equal(code, 0, stderr);
  return stdout;
}

test("the letters of a forgotten device go with it, and those of its next life stay", { timeout: 60_000 }, async (t) => {
  const dataDir = join(temporaryFolder(t), "data");
  const healthy = () => serve(t, { dataDir });
  const failing = (device = DEVICE) => serve(t, { dataDir, env: { FIELDWATCH_TEST_PANIC_DEVICE: device } });
  /** Runs `work` with a server, and ends that. */
  const during = async (starting, work) => {
    const server = await starting;
    await work(server);
    await server.stop();
  };
  const parked = async (server, device, temperature) => {
    const before = (await letters(server)).waiting;
    await server.call("/api/v1/readings", { method: "POST", body: reading(device, temperature, 11.2233, 22.3344) });
    await waitUntil("it is parked", async () => (await letters(server)).waiting === before + 1);
  };

  await during(healthy(), (server) => report(server, reading(DEVICE, 1)));
  await during(failing(), async (server) => {
    await parked(server, DEVICE, 66.6);
    await parked(server, DEVICE, 67.7);
  });
  await during(failing("other"), (server) => parked(server, "other", 5));

  const server = await healthy();
  assert.deepEqual((await letters(server)).ids, [1, 2, 3]);
  assert.equal((await server.call("/api/v1/dead-letters/1/requeue", { method: "POST" })).status, 202);
  await server.drained();
  const saved = join(temporaryFolder(t), "dead-letters");
  cpSync(join(dataDir, "dead-letters"), saved, { recursive: true });
  assert.equal((await server.call(`/api/v1/devices/${DEVICE}`, { method: "DELETE" })).status, 204);
  // At once, the requeued one too.
  const { ids, waiting, text } = await letters(server);
  assert.deepEqual({ ids, waiting }, { ids: [3], waiting: 1 });
  assert.doesNotMatch(text, /secret-7|66\.6|67\.7/);
  assertProblem(await server.call("/api/v1/dead-letters/2/requeue", { method: "POST" }), 404);
  await waitUntil("the files say so too", async () => !(await listedByCommand(server)).includes(DEVICE));
  assert.match(await listedByCommand(server), /other/);
  assert.equal((await fieldwatch(["dead-letters", "show", "2", "--data-dir", dataDir])).code, 1);
  await server.kill();
  // As if the crash had come before that was noted: the letters' files are as they were before the DELETE.
  rmSync(join(dataDir, "dead-letters"), { recursive: true });
  cpSync(saved, join(dataDir, "dead-letters"), { recursive: true });
  assert.ok((await listedByCommand(server)).includes(DEVICE));

  await during(failing(), async (again) => {
    assert.deepEqual((await letters(again)).ids, [3]);
    await parked(again, DEVICE, 68.8);
  });
  await during(healthy(), async (last) => {
    assert.deepEqual((await letters(last)).ids, [3, 4]);
    assert.equal((await last.call("/api/v1/dead-letters/4/requeue", { method: "POST" })).status, 202);
    await last.drained();
    assert.equal((await get(last, `/api/v1/devices/${DEVICE}`)).temperature, 68.8);
  });
});
