// The disk fills up under load: readings are refused with 503 and Retry-After, everything else answers, nothing
// acknowledged is lost, and as soon as there is room the server accepts again without a restart.

import assert from "node:assert/strict";
import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { describe, isClean } from "../checker/check.mjs";
import { HistoryWriter } from "../checker/history.mjs";
import { examine } from "../harness/evidence.mjs";
import { mountImage, run, sparseFile, whyNot } from "../harness/filesystems.mjs";
import { startLoad } from "../harness/load.mjs";
import { seedOfRun } from "../harness/random.mjs";
import { serve, temporaryFolder } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const BLOCK = 4096;
const skip = whyNot(["mkfs.ext4", "mount", "umount", "fallocate"]);

/** Takes the free space of a disk but for `left` bytes. */
function fill(disk, left) {
  const filler = join(disk, "filler");
  const { bavail, bsize } = statfsSync(disk);
  run("fallocate", "-l", String(bavail * bsize - left), filler);
  return filler;
}

for (const { name, left } of [
  { name: "nearly full", left: 8 * MIB },
  { name: "full to the last block", left: 16 * BLOCK },
]) {
  test(`a disk that is ${name} refuses with 503 and accepts again when there is room`, { skip, timeout: 180_000 }, async (t) => {
    const folder = temporaryFolder(t);
    const disk = mountImage(t, sparseFile(join(folder, "disk.img"), 2 * GIB), join(folder, "disk"), {
      // No blocks kept back for root: full has to mean full.
      format: ["mkfs.ext4", "-q", "-F", "-m", "0"],
    }).folder;
    const historyPath = join(folder, "history.ndjson");
    const server = await serve(t, { dataDir: join(disk, "data") });
    const load = startLoad(t, {
      url: server.url, history: new HistoryWriter(historyPath), seed: seedOfRun(), connections: 8, devicesPerConnection: 100,
    });
    await waitUntil("the load is answered", () => load.answered > 50);

    const filler = fill(disk, left);
    await waitUntil("readings are refused for want of space", () => load.overloads.length > 0, 60_000);
    for (const path of ["/health/live", "/api/v1/status", "/api/v1/devices", "/api/v1/devices/timed-0-0", "/api/v1/devices/timed-0-0/events", "/metrics"]) {
      assert.equal((await server.call(path)).status, 200, `${path} while the disk is full`);
    }
    const refused = await server.call("/api/v1/readings", { method: "POST", body: { deviceId: "late-comer", temperature: 1, lat: 1, lon: 1 } });
    assert.equal(refused.status, 503);
    assert.match(refused.headers["content-type"], /^application\/problem\+json/);
    assert.ok(Number(refused.headers["retry-after"]) >= 1, `Retry-After: ${refused.headers["retry-after"]}`);
    assert.equal(refused.json.status, 503);

    rmSync(filler);
    const before = load.answered;
    await waitUntil("readings are accepted again", () => load.answered > before + 50, 30_000);
    await load.stop();
    assert.ok(load.overloads.every((retryAfter) => Number(retryAfter) >= 1), "a 503 came without Retry-After");
    assert.deepEqual(load.unexpected, []);

    const report = await examine(server, historyPath);
    t.diagnostic(describe(report));
    assert.ok(isClean(report), describe(report));
  });
}
