// Good and bad input to the original endpoints, which existing devices use unchanged (CONTRACT §5).

import assert from "node:assert/strict";
import { test } from "node:test";

import { request } from "../harness/http.mjs";
import { assertProblem } from "../harness/problem.mjs";
import { serve } from "../harness/server.mjs";

const GOOD = { DevId: "AL-0012", Temp: 48.5, Lat: 38.5698, Lon: 45.6974 };
const json = (changes) => JSON.stringify({ ...GOOD, ...changes });
const JSON_TYPE = { "content-type": "application/json" };

test("the original endpoints take what they always took", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const post = (path, body, headers = JSON_TYPE) => request(`${server.url}${path}`, { method: "POST", body, headers });
  let number = 0;
  /** Posts and expects the device to have these values. */
  async function taken(path, body, headers, expected = {}) {
    number += 1;
    const deviceId = `original-${number}`;
    const answer = await post(path, body.replace("AL-0012", deviceId), headers);
    assert.equal(answer.status, 202, `${path} ${body}: ${answer.text}`);
    assert.equal(answer.text, "", "the answer has no body");
    await server.drained();
    const { json: device } = await server.call(`/api/v1/devices/${deviceId}`);
    assert.deepEqual({ temperature: device.temperature, location: device.location },
      { temperature: 48.5, location: { lat: 38.5698, lon: 45.6974 }, ...expected });
  }

  await t.test("paths in any case, with or without a trailing slash", async () => {
    for (const path of ["/event", "/event/", "/EVENT", "/Event/", "/api/devicemetric", "/Api/DeviceMetric", "/API/DEVICEMETRIC/"]) {
      await taken(path, json({}));
    }
  });
  await t.test("content types", async () => {
    for (const type of ["application/json", "Application/JSON; charset=utf-8", "text/json", "application/vnd.device+json", undefined]) {
      await taken("/event", json({}), type === undefined ? {} : { "content-type": type });
    }
  });
  await t.test("whatever Accept says", async () => {
    for (const accept of ["text/html", "image/png", "*/*;q=0", "nonsense"]) await taken("/api/devicemetric", json({}), { ...JSON_TYPE, accept });
  });
  await t.test("member names in any case, unknown ones, repeated ones, numbers as text", async () => {
    await taken("/event", '{"DEVID":"AL-0012","temp":48.5,"lAT":38.5698,"lon":45.6974}');
    await taken("/event", json({ Humidity: 5, Nested: { a: [1, 2] }, At: "nonsense" }));
    await taken("/event", '{"DevId":"AL-0012","Temp":1,"temp":48.5,"Lat":38.5698,"Lon":45.6974}');
    await taken("/event", '{"DevId":"AL-0012","temp":1,"Temp":48.5,"Lat":38.5698,"Lon":45.6974}');
    await taken("/event", json({ Temp: "48.5", Lat: "38.5698", Lon: "45.6974" }));
    await taken("/event", json({ Temp: "4.85e1", Lat: "-0" }), JSON_TYPE, { location: { lat: 0, lon: 45.6974 } });
  });
});

const BAD = [
  ["no DevId", json({ DevId: undefined }), "DevId"], ["no Temp", json({ Temp: undefined }), "Temp"],
  ["no Lat", json({ Lat: undefined }), "Lat"], ["no Lon", json({ Lon: undefined }), "Lon"],
  ["Temp null", json({ Temp: null }), "Temp"], ["Temp empty text", json({ Temp: "" }), "Temp"], ["Temp words", json({ Temp: "warm" }), "Temp"],
  ["Temp NaN as text", json({ Temp: "NaN" }), "Temp"], ["Temp Infinity as text", json({ Temp: "Infinity" }), "Temp"],
  ["Temp 1e999", json({ Temp: "@" }).replace('"@"', "1e999"), "Temp"], ["Temp 1e999 as text", json({ Temp: "1e999" }), "Temp"],
  ["Temp a boolean", json({ Temp: true }), "Temp"], ["Temp an object", json({ Temp: {} }), "Temp"],
  ["Temp out of range", json({ Temp: 101 }), "Temp"], ["Lat out of range", json({ Lat: -90.0001 }), "Lat"],
  ["Lon out of range as text", json({ Lon: "180.00000000000001" }), "Lon"], ["DevId empty", json({ DevId: "" }), "DevId"],
  ["DevId a number", json({ DevId: 5 }), "DevId"], ["DevId of 10 kB", json({ DevId: "x".repeat(10_240) }), "DevId"],
  ["DevId with a control character", json({ DevId: "a\u0007" }), "DevId"], ["DevId dots", json({ DevId: ".." }), "DevId"],
  ["the last of repeated ones bad", `${json({}).slice(0, -1)},"temp":"x"}`, "Temp"],
];

test("the original endpoints refuse what is no reading", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  for (const path of ["/event", "/api/devicemetric"]) {
    const post = (body, headers = JSON_TYPE) => request(`${server.url}${path}`, { method: "POST", body, headers });
    for (const [what, body, field] of BAD) {
      await t.test(`${path}, ${what}: 422`, async () => {
        const answer = await post(body);
        assertProblem(answer, 422);
        assert.deepEqual(answer.json.errors.map((error) => error.field), [field], answer.text);
      });
    }
    await t.test(`${path}, an array, a number, text: 422`, async () => {
      for (const body of [`[${json({})}]`, "[]", "5", '"x"', "null"]) assertProblem(await post(body), 422);
    });
    await t.test(`${path}, not JSON, not UTF-8: 400`, async () => {
      for (const body of ["", "x", json({}).slice(0, -1), `${json({})}x`, json({ Temp: "@" }).replace('"@"', "NaN"), Buffer.from([0x7b, 0xff, 0x7d])]) {
        assertProblem(await post(body), 400);
      }
    });
    await t.test(`${path}, other content types: 415`, async () => {
      for (const type of ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonx", "text/vnd.a+json"]) {
        assertProblem(await post(json({}), { "content-type": type }), 415);
      }
    });
    await t.test(`${path}, GET: 405`, async () => assert.equal((await request(`${server.url}${path}`)).status, 405));
  }
  await t.test("afterwards nothing is stored and a healthy reading passes", async () => {
    await server.drained();
    assert.deepEqual(await server.exportedEvents(), []);
    assert.deepEqual(server.panics, []);
    assert.equal((await request(`${server.url}/event`, { method: "POST", body: json({}), headers: JSON_TYPE })).status, 202);
  });
});
