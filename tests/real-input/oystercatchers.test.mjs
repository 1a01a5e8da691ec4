// Readings of real trackers, through the running server, against the reference model.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { line } from "../harness/load.mjs";
import { assertAsModelled } from "../harness/modelled.mjs";
import { fieldwatch, serve, temporaryFolder } from "../harness/server.mjs";
import { Fleet } from "../reference/fleet.mjs";

const FILE = resolve(process.env.FIELDWATCH_DATA
  ?? join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data/oystercatchers-2018.csv.gz"));
const skip = existsSync(FILE) ? false : `${FILE} is absent; name it in FIELDWATCH_DATA`;
const BATCH = 1_000;

function csv() {
  return gunzipSync(readFileSync(FILE)).toString("utf8");
}

/** Rows as written; numbers stay text. */
function readings() {
  const [header, ...rows] = csv().trim().split("\n");
  assert.equal(header, "at,deviceId,temperature,lat,lon");
  return rows.map((row) => {
    const [at, deviceId, temperature, lat, lon] = row.split(",");
    return { at, deviceId, temperature, lat, lon };
  });
}

/** What the reference model makes of the rows. */
function expected() {
  const fleet = new Fleet();
  const clock = Date.now();
  const events = readings().flatMap((reading) => fleet.take(reading, clock).events);
  return { events, devices: fleet.views() };
}

async function compare(t, server) {
  const { events, devices } = expected();
  t.diagnostic(JSON.stringify(await assertAsModelled(server, events, devices)));
}

test("`fieldwatch send` brings the real readings in as the reference model has them", { skip, timeout: 120_000 }, async (t) => {
  const server = await serve(t);
  const file = join(temporaryFolder(t), "oystercatchers.csv");
  writeFileSync(file, csv());
  const { code, stderr, stdout } = await fieldwatch(["send", file, "--target", server.url]);
  assert.equal(code, 0, stdout + stderr);
  await compare(t, server);
});

test("posted as NDJSON batches the real readings give the same", { skip, timeout: 120_000 }, async (t) => {
  const server = await serve(t);
  const rows = readings();
  for (let from = 0; from < rows.length; from += BATCH) {
    const batch = rows.slice(from, from + BATCH);
    const answer = await server.call("/api/v1/readings", {
      method: "POST", body: batch.map(line).join("\n"), headers: { "content-type": "application/x-ndjson" },
    });
    assert.equal(answer.status, 202, answer.text);
    assert.deepEqual(answer.json, { accepted: batch.length, rejected: [] });
  }
  await compare(t, server);
});
