// Power cuts. `kill -9` leaves the page cache alive, so it says nothing about fsync. Here the data folder is an ext4
// file system in a file on XFS: a reflink copy of that file is what the disk would hold after a power cut at that
// moment, without what ext4 had not written yet. The history lies outside.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { describe, isClean } from "../checker/check.mjs";
import { HistoryWriter } from "../checker/history.mjs";
import { afterwards } from "../harness/cleanup.mjs";
import { examine } from "../harness/evidence.mjs";
import { mountImage, run, sparseFile, whyNot } from "../harness/filesystems.mjs";
import { startLoad } from "../harness/load.mjs";
import { freePort } from "../harness/ports.mjs";
import { seeded, seedOfRun } from "../harness/random.mjs";
import { serve, Server, temporaryFolder } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";

const GIB = 1024 ** 3;
const CUTS = Number(process.env.FIELDWATCH_CUTS ?? 5);
const skip = whyNot(["mkfs.xfs", "mkfs.ext4", "mount", "umount", "losetup"]);

/** A server under load whose disk can be copied as a power cut would leave it. */
async function poweredServer(t, env) {
  const seed = seedOfRun();
  t.diagnostic(`FIELDWATCH_SEED=${seed}`);
  const folder = temporaryFolder(t);
  const host = mountImage(t, sparseFile(join(folder, "host.img"), 24 * GIB), join(folder, "host"), {
    format: ["mkfs.xfs", "-q", "-m", "reflink=1"],
  }).folder;
  const image = sparseFile(join(host, "disk.img"), 4 * GIB);
  const disk = mountImage(t, image, join(folder, "disk"), { format: ["mkfs.ext4", "-q", "-F"] }).folder;
  run("sync", "-f", disk);

  const historyPath = join(folder, "history.ndjson");
  const server = await serve(t, { env, dataDir: join(disk, "data") });
  const load = startLoad(t, { url: server.url, history: new HistoryWriter(historyPath), seed });

  /** Cuts the power and examines what a server finds on the disk; the first server goes on. */
  const cut = async (number) => {
    const until = Date.now();
    const copy = join(host, `cut-${number}.img`);
    run("cp", "--reflink=always", image, copy);
    const { folder: found, unmount } = mountImage(t, copy, join(folder, `cut-${number}`));
    const survivor = new Server({ dataDir: join(found, "data"), port: await freePort() });
    afterwards(t, () => (survivor.isRunning() ? survivor.kill() : undefined));
    await survivor.start();
    const report = await examine(survivor, historyPath, { until });
    await survivor.kill();
    unmount();
    run("rm", copy);
    return report;
  };
  return { server, load, cut, random: seeded(seed) };
}

test(`acknowledged readings survive ${CUTS} power cuts`, { skip, timeout: 60_000 + CUTS * 30_000 }, async (t) => {
  const { load, cut, random } = await poweredServer(t, {});
  for (let number = 0; number < CUTS; number += 1) {
    await pause(random.between(100, 1_500));
    const answeredBefore = load.answered;
    const report = await cut(number);
    t.diagnostic(describe(report));
    assert.ok(isClean(report), describe(report));
    assert.ok(report.acked >= answeredBefore / 2, "the load was hardly acknowledged before the cut");
    await waitUntil("the load goes on", () => load.answered > answeredBefore);
  }
  await load.stop();
  assert.deepEqual(load.unexpected, []);
});

test("the checker finds lost readings when the server does not fsync", { skip, timeout: 90_000 }, async (t) => {
  const { load, cut } = await poweredServer(t, { FIELDWATCH_UNSAFE_SKIP_FSYNC: "1" });
  await waitUntil("enough requests are answered", () => load.answered > 300);
  const report = await cut(0);
  await load.stop({ abandon: true });
  t.diagnostic(describe(report));
  assert.ok(report.lost.length > 0, "nothing was synced and the checker found nothing lost");
});
