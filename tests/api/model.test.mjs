// Random readings, good and bad, through the running server and through the reference model: same refusals, same
// events, same states. The numbers lie near the thresholds, the limits and the edges of the map on purpose.

import assert from "node:assert/strict";
import { test } from "node:test";

import { line } from "../harness/load.mjs";
import { assertAsModelled } from "../harness/modelled.mjs";
import { seeded, seedOfRun } from "../harness/random.mjs";
import { serve } from "../harness/server.mjs";
import { Fleet } from "../reference/fleet.mjs";

const DEVICES = 12;
const BATCHES = 60;
const READINGS_PER_BATCH = 50;

/** Writes readings as a careless sender might. */
function sender(random) {
  const pick = (...choices) => choices[Math.floor(random.next() * choices.length)];
  const digits = (count) => Array.from({ length: count }, () => Math.floor(random.next() * 10)).join("");
  const sign = () => pick("", "-");
  const start = Date.UTC(2026, 0, 1);

  const temperature = () => pick(
    () => `${sign()}${pick("0", "2", "2.0000", "1.99995", "2.00005", "2.00004999", "4", "100", "99.99995")}`,
    () => `${sign()}${Math.floor(random.next() * 3)}.${digits(6)}`,
    () => `${sign()}${Math.floor(random.next() * 9)}.${digits(1 + Math.floor(random.next() * 20))}e${pick("0", "1", "-1", "+01", "-7")}`,
    () => pick("100.00000000000001", "-100.0000000001", "1e3", "1e999", "-1e-999"),
  )();
  // Steps of about a kilometre and less, round the origin, the poles and the antimeridian.
  const lat = () => pick("0", "-0.0", `0.00${digits(2)}`, `-0.009${digits(8)}`, "90", "-90", "89.9999999", "90.00000001", `1e-${pick(2, 3, 8)}`);
  const lon = () => pick("0", `0.00${digits(2)}`, `-0.008${digits(9)}`, "180", "-180", "179.9999999", "-179.99999995", "180.00000005");
  const at = (turn) => new Date(start + turn * 1000 + Math.floor(random.next() * 4000) - 2000).toISOString();

  return (turn) => ({
    deviceId: `device-${Math.floor(random.next() * DEVICES)}`,
    temperature: temperature(),
    lat: lat(),
    lon: lon(),
    at: at(turn),
    readingId: `r${turn - Math.floor(random.next() * 3)}`,
  });
}

test("random readings have the effect that the reference model says", { timeout: 90_000 }, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`FIELDWATCH_SEED=${seed}`);
  const next = sender(seeded(seed));
  const server = await serve(t);
  const fleet = new Fleet();
  const events = [];
  let turn = 0;
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const readings = Array.from({ length: READINGS_PER_BATCH }, () => next((turn += 1)));
    const ndjson = batch % 2 === 0;
    const { status, json } = await server.call("/api/v1/readings", {
      method: "POST",
      body: ndjson ? readings.map(line).join("\n") : `[${readings.map(line).join(",")}]`,
      headers: { "content-type": ndjson ? "application/x-ndjson" : "application/json" },
    });
    const results = readings.map((reading) => fleet.take(reading, Date.now()));
    events.push(...results.flatMap((result) => result.events ?? []));
    const refused = results.flatMap(({ refused: fields = [] }, index) => fields.map((field) => [index, field]));
    assert.equal(status, 202);
    assert.deepEqual(json.rejected.map(({ index, field }) => [index, field]), refused);
    assert.equal(json.accepted, results.filter((result) => result.refused === undefined).length);
  }
  t.diagnostic(JSON.stringify(await assertAsModelled(server, events, fleet.views())));
  await server.kill();
  await server.start();
  await assertAsModelled(server, events, fleet.views());
});
