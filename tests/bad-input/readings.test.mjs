// Bad input to POST /api/v1/readings: a problem document that names the field, nothing stored, the server lives on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { assertProblem } from "../harness/problem.mjs";
import { serve } from "../harness/server.mjs";

const GOOD = { deviceId: "AL-0012", temperature: 48.5, lat: 38.5698, lon: 45.6974 };
const json = (changes) => JSON.stringify({ ...GOOD, ...changes });
/** The good reading with one value as raw text, for numbers that JavaScript cannot write. */
const raw = (name, text) => json({ [name]: "@" }).replace('"@"', text);
const without = (name) => JSON.stringify({ ...GOOD, [name]: undefined });

/** One bad reading each: what it is, its body, and the fields that the refusal must name. */
const UNPROCESSABLE = [
  ["a temperature that is text", json({ temperature: "48.5" }), ["temperature"]],
  ["a temperature that is null", json({ temperature: null }), ["temperature"]],
  ["a temperature that is an object", json({ temperature: {} }), ["temperature"]],
  ["a latitude that is a boolean", json({ lat: true }), ["lat"]],
  ["a longitude that is an array", json({ lon: [1] }), ["lon"]],
  ["a device id that is a number", json({ deviceId: 12 }), ["deviceId"]],
  ["a time that is a number", json({ at: 1767225600000 }), ["at"]],
  ["a reading id that is a number", json({ readingId: 1 }), ["readingId"]],
  ["no device id", without("deviceId"), ["deviceId"]],
  ["no temperature", without("temperature"), ["temperature"]],
  ["no latitude", without("lat"), ["lat"]],
  ["no longitude", without("lon"), ["lon"]],
  ["an unknown field", json({ humidity: 5 }), ["humidity"]],
  ["a field in another case", JSON.stringify({ ...GOOD, temperature: undefined, Temperature: 1 }), ["Temperature", "temperature"]],
  ["a repeated field", `${json({}).slice(0, -1)},"temperature":49}`, ["temperature"]],
  ["a repeated field with the same value", `${json({}).slice(0, -1)},"lat":38.5698}`, ["lat"]],
  ["1e999 degrees", raw("temperature", "1e999"), ["temperature"]],
  ["-1e999 degrees of latitude", raw("lat", "-1e999"), ["lat"]],
  ["an exponent of a billion", raw("temperature", "1e1000000000"), ["temperature"]],
  ["too hot", json({ temperature: 100.0001 }), ["temperature"]],
  ["too cold", json({ temperature: -100.1 }), ["temperature"]],
  ["too hot by less than is kept", raw("temperature", "100.00000000000000000001"), ["temperature"]],
  ["beyond the pole", json({ lat: 90.5 }), ["lat"]],
  ["beyond the pole by less than is kept", raw("lat", "90.000000000000000001"), ["lat"]],
  ["beyond the antimeridian", json({ lon: -180.1 }), ["lon"]],
  ["several bad fields", json({ temperature: 101, lat: 91, lon: 181 }), ["lat", "lon", "temperature"]],
  ["an empty device id", json({ deviceId: "" }), ["deviceId"]],
  ["a device id of 129 bytes", json({ deviceId: "x".repeat(129) }), ["deviceId"]],
  ["a device id of 10 kB", json({ deviceId: "x".repeat(10_240) }), ["deviceId"]],
  ["a device id of 65 letters of two bytes", json({ deviceId: "é".repeat(65) }), ["deviceId"]],
  ["a device id with a NUL", json({ deviceId: "a\u0000b" }), ["deviceId"]],
  ["a device id with a line break", json({ deviceId: "a\nb" }), ["deviceId"]],
  ["a device id with DEL", json({ deviceId: "a\u007fb" }), ["deviceId"]],
  ["a device id with a C1 control character", json({ deviceId: "a\u0085b" }), ["deviceId"]],
  ["a device id of one dot", json({ deviceId: "." }), ["deviceId"]],
  ["a device id of two dots", json({ deviceId: ".." }), ["deviceId"]],
  ["a time that is no time", json({ at: "yesterday" }), ["at"]],
  ["a time without an offset", json({ at: "2026-01-01T00:00:00" }), ["at"]],
  ["a day that does not exist", json({ at: "2025-02-29T00:00:00Z" }), ["at"]],
  ["the year 9999", json({ at: "9999-12-31T23:59:59.999Z" }), ["at"]],
  ["the year 10000", json({ at: "+10000-01-01T00:00:00Z" }), ["at"]],
  ["before 1970", json({ at: "1969-12-31T23:59:59.999Z" }), ["at"]],
  ["six minutes ahead", json({ at: new Date(Date.now() + 6 * 60_000).toISOString() }), ["at"]],
  ["an empty reading id", json({ readingId: "" }), ["readingId"]],
  ["a reading id of 65 characters", json({ readingId: "x".repeat(65) }), ["readingId"]],
  ["a reading id beyond ASCII", json({ readingId: "é" }), ["readingId"]],
  ["a reading id with a control character", json({ readingId: "a\tb" }), ["readingId"]],
];

/** Of these only the status is promised, not which field is named. */
const UNPROCESSABLE_SOMEHOW = [
  ["a number for a reading", "42"], ["text for a reading", '"x"'], ["null for a reading", "null"], ["true for a reading", "true"],
  ["an empty object", "{}"],
  ["location beside lat", json({ location: { lat: 1, lon: 2 } })],
  ["a location without lon", JSON.stringify({ deviceId: "a", temperature: 1, location: { lat: 1 } })],
  ["a location with a third name", JSON.stringify({ deviceId: "a", temperature: 1, location: { lat: 1, lon: 2, alt: 3 } })],
  ["a location that repeats a name", '{"deviceId":"a","temperature":1,"location":{"lat":1,"lat":1,"lon":2}}'],
  ["a location that is text", JSON.stringify({ deviceId: "a", temperature: 1, location: "1,2" })],
  ["an array of numbers", "[1,2]"],
  ["an array of arrays", `[[${json({})}]]`],
];

const MALFORMED = [
  ["an empty body", ""], ["blanks", "  \n "], ["no JSON at all", "temperature=48.5"], ["NaN", raw("temperature", "NaN")],
  ["Infinity", raw("temperature", "Infinity")], ["a number with a leading plus", raw("temperature", "+48.5")],
  ["a number with a leading zero", raw("temperature", "048.5")], ["a number that ends in a point", raw("temperature", "48.")],
  ["a trailing comma", `${json({}).slice(0, -1)},}`], ["single quotes", "{'deviceId':'a'}"], ["an open object", json({}).slice(0, -1)],
  ["text after the object", `${json({})} x`], ["two objects", `${json({})}${json({})}`],
  ["a malformed array", `[${json({})},]`], ["an array that is not closed", `[${json({})}`],
  ["a bad element behind a good one", `[${json({})},{"deviceId":}]`],
  ["a raw control character in text", '{"deviceId":"a\u0001"}'], ["half an escape", '{"deviceId":"\\u00"}'],
  ["a byte order mark of UTF-16", Buffer.from(`\ufeff${json({})}`, "utf16le")],
  ["UTF-8 that is cut off", Buffer.concat([Buffer.from('{"deviceId":"'), Buffer.from([0xc3]), Buffer.from('"}')])],
  ["bytes that are never UTF-8", Buffer.concat([Buffer.from('{"deviceId":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])],
  ["a surrogate in UTF-8", Buffer.concat([Buffer.from('{"deviceId":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')])],
];

const NDJSON = { "content-type": "application/x-ndjson" };
const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);

test("bad readings", { timeout: 120_000 }, async (t) => {
  const server = await serve(t);
  const post = (body, headers = {}) => server.call("/api/v1/readings", { method: "POST", body, headers });

  for (const [what, body, fields] of UNPROCESSABLE) {
    await t.test(`${what}: 422`, async () => {
      const answer = await post(body);
      assertProblem(answer, 422, fields);
      assert.ok(answer.json.errors.every(({ index }) => index === 0));
    });
    await t.test(`${what}, alone in NDJSON: 422`, async () => assertProblem(await post(body, NDJSON), 422, fields));
  }
  for (const [what, body] of UNPROCESSABLE_SOMEHOW) {
    await t.test(`${what}: 422`, async () => assertProblem(await post(body), 422));
  }
  for (const [what, body] of MALFORMED) {
    await t.test(`${what}: 400`, async () => assertProblem(await post(body), 400));
  }
  for (const depth of [17, 1_000, 1_000_000]) {
    await t.test(`nesting of ${depth}: refused`, async () => {
      for (const body of [nested(depth), raw("temperature", nested(depth)), raw("more", nested(depth))]) {
        const answer = await post(body);
        assert.ok([400, 422].includes(answer.status), `status ${answer.status}`);
        assertProblem(answer, answer.status);
      }
    });
  }

  await t.test("an unpaired surrogate in an escape: refused", async () => {
    const answer = await post(raw("deviceId", '"\\ud800"'));
    assert.ok([400, 422].includes(answer.status), `status ${answer.status}`);
    assertProblem(answer, answer.status);
  });
  await t.test("malformed NDJSON lines alone: 422, each with an empty field", async () => {
    const answer = await post('{"deviceId":\nnonsense\n\n[]x\n', NDJSON);
    assertProblem(answer, 422, ["", "", ""]);
    assert.deepEqual(answer.json.errors.map(({ index }) => index), [0, 1, 2]);
  });
  await t.test("other content types: 415", async () => {
    for (const type of ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "nonsense"]) {
      assertProblem(await post(json({}), { "content-type": type }), 415);
    }
  });
  await t.test("other content encodings: 415", async () => {
    for (const encoding of ["br", "compress", "gzip, gzip"]) assertProblem(await post(json({}), { "content-encoding": encoding }), 415);
  });
  await t.test("gzip that is damaged, cut off, or none: 400", async () => {
    const whole = gzipSync(json({}));
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 6] ^= 0xff;
    for (const body of [damaged, whole.subarray(0, -9), whole.subarray(0, 5), Buffer.from(json({}))]) {
      assertProblem(await post(body, { "content-encoding": "gzip" }), 400);
    }
  });
  await t.test("zstd that is damaged, cut off, or none: 400", async () => {
    for (const body of [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff]), Buffer.from(json({}))]) {
      assertProblem(await post(body, { "content-encoding": "zstd" }), 400);
    }
  });
  await t.test("50 001 readings: 413", async () => {
    const many = Array.from({ length: 50_001 }, (_, index) => json({ deviceId: `m${index}` }));
    assertProblem(await post(`[${many.join(",")}]`), 413);
    assertProblem(await post(many.join("\n"), NDJSON), 413);
  });
  await t.test("other methods: 405", async () => {
    for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
      assert.equal((await server.call("/api/v1/readings", { method })).status, 405, method);
    }
  });

  await t.test("afterwards nothing is stored and a healthy reading passes", async () => {
    await server.drained();
    assert.deepEqual(await server.devices(), []);
    assert.deepEqual(await server.exportedEvents(), []);
    assert.deepEqual(server.panics, []);
    const answer = await post(json({}));
    assert.equal(answer.status, 202);
    assert.deepEqual(answer.json, { accepted: 1, rejected: [] });
    await server.drained();
    assert.deepEqual((await server.exportedEvents()).map(({ type }) => type), ["DeviceHasBeenCreated"]);
  });
});

test("in a batch the good readings are stored and each bad field is told", { timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const post = (body, headers = {}) => server.call("/api/v1/readings", { method: "POST", body, headers });
  const stored = async () => {
    await server.drained();
    return (await server.devices()).map(({ deviceId }) => deviceId);
  };

  await t.test("in an array", async () => {
    const { status, json: answer } = await post([
      { ...GOOD, deviceId: "a1" }, { ...GOOD, deviceId: "", lat: 91 }, 7, { ...GOOD, deviceId: "a2" }, { ...GOOD, more: 1 },
    ]);
    assert.equal(status, 202);
    assert.equal(answer.accepted, 2);
    assert.deepEqual(answer.rejected.filter(({ index }) => index !== 2).map(({ index, field }) => [index, field]), [
      [1, "deviceId"], [1, "lat"], [4, "more"],
    ]);
    assert.equal(answer.rejected.filter(({ index }) => index === 2).length, 1);
    assert.ok(answer.rejected.every(({ reason }) => typeof reason === "string" && reason !== ""));
    assert.deepEqual(await stored(), ["a1", "a2"]);
  });
  await t.test("in NDJSON, where blank lines do not count and a malformed one is one rejection", async () => {
    const lines = [json({ deviceId: "b1" }), "", "  ", "{nonsense", json({ temperature: 1000 }), "\r", json({ deviceId: "b2" })];
    const { status, json: answer } = await post(lines.join("\n"), NDJSON);
    assert.equal(status, 202);
    assert.equal(answer.accepted, 2);
    assert.deepEqual(answer.rejected.map(({ index, field }) => [index, field]), [[1, ""], [2, "temperature"]]);
    assert.deepEqual(await stored(), ["a1", "a2", "b1", "b2"]);
  });
  await t.test("an NDJSON line that is not UTF-8 is one rejection", async () => {
    const body = Buffer.concat([Buffer.from(`${json({ deviceId: "b3" })}\n{"deviceId":"`), Buffer.from([0xff]), Buffer.from(`"}\n${json({ deviceId: "b4" })}`)]);
    const answer = await post(body, NDJSON);
    // The contract says both "400 not UTF-8" and "a malformed line is one rejection"; either way it is not stored.
    if (answer.status === 400) return assertProblem(answer, 400);
    assert.equal(answer.status, 202);
    assert.deepEqual([answer.json.accepted, answer.json.rejected.map(({ index, field }) => [index, field])], [2, [[1, ""]]]);
  });
  await t.test("an array of which none is good: 422 with the same entries", async () => {
    const answer = await post([{ ...GOOD, lat: 91 }, { ...GOOD, lon: "x" }]);
    assertProblem(answer, 422, ["lat", "lon"]);
    assert.deepEqual(answer.json.errors.map(({ index }) => index), [0, 1]);
  });
  await t.test("an empty batch is accepted and holds nothing", async () => {
    const array = await post("[]");
    assert.deepEqual([array.status, array.json], [202, { accepted: 0, rejected: [] }]);
    const lines = await post("\n \n", NDJSON);
    assert.deepEqual([lines.status, lines.json], [202, { accepted: 0, rejected: [] }]);
  });
  await t.test("50 000 readings are not too many", async () => {
    const many = Array.from({ length: 50_000 }, (_, index) => json({ deviceId: `m${index}` })).join("\n");
    const answer = await post(gzipSync(many), { ...NDJSON, "content-encoding": "gzip" });
    assert.deepEqual([answer.status, answer.json], [202, { accepted: 50_000, rejected: [] }]);
  });
});
