// Bodies that are too large, inflate without end, or never come: refused early, within bounded memory.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { createGzip } from "node:zlib";

import { afterwards } from "../harness/cleanup.mjs";
import { assertProblem } from "../harness/problem.mjs";
import { head, pour, rawExchange, statusOf } from "../harness/raw_http.mjs";
import { serve } from "../harness/server.mjs";
import { waitUntil } from "../harness/wait.mjs";
import { zstdBomb, zstdStored } from "../harness/zstd.mjs";

const MIB = 1024 ** 2;
const JSON_TYPE = "Content-Type: application/json";
const GOOD = JSON.stringify({ deviceId: "AL-0012", temperature: 48.5, lat: 38.5698, lon: 45.6974 });
/** Inflated limit of a body, and what a few refused ones at a time may cost beside it. */
const MEMORY_ALLOWANCE = 96 * MIB;

const hasStatus = (text) => statusOf(text) !== null && text.includes("\r\n\r\n");

async function gzipOfZeros(total) {
  const gzip = createGzip({ level: 1 });
  const pieces = [];
  gzip.on("data", (bytes) => pieces.push(bytes));
  const zeros = Buffer.alloc(4 * MIB);
  for (let written = 0; written < total; written += zeros.length) {
    if (!gzip.write(zeros)) await once(gzip, "drain");
  }
  gzip.end();
  await once(gzip, "end");
  return Buffer.concat(pieces);
}

test("bodies beyond the limits", { timeout: 180_000 }, async (t) => {
  const server = await serve(t);
  const post = (body, headers) => server.call("/api/v1/readings", { method: "POST", body, headers, deadlineMs: 30_000 });
  const before = server.peakMemory();

  await t.test("a body of 100 MB with its length told: 413", async () => {
    const text = await rawExchange(server.port, (socket) => {
      socket.write(head("POST", "/api/v1/readings", [JSON_TYPE, `Content-Length: ${100 * MIB}`]));
      pour(socket, 100 * MIB);
    }, { enough: hasStatus });
    assert.equal(statusOf(text), 413, text.slice(0, 200));
  });
  await t.test("a body of 100 MB in chunks: 413", async () => {
    const piece = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(0x10000, 0x20), Buffer.from("\r\n")]);
    const text = await rawExchange(server.port, (socket) => {
      socket.write(head("POST", "/api/v1/readings", [JSON_TYPE, "Transfer-Encoding: chunked"]));
      pour(socket, 1_600 * piece.length, piece);
    }, { enough: hasStatus });
    assert.equal(statusOf(text), 413, text.slice(0, 200));
  });
  await t.test("a body just beyond 16 MiB: 413, one just below is read", async () => {
    const padded = (length) => GOOD.slice(0, 1) + " ".repeat(length - GOOD.length) + GOOD.slice(1);
    assertProblem(await post(padded(16 * MIB + 1)), 413);
    assertProblem(await post(padded(16 * MIB).replace("48.5", "4805")), 422, ["temperature"]);
  });
  await t.test("1 GB of zeros in gzip: 413", async () => {
    const bomb = await gzipOfZeros(1024 * MIB);
    for (const path of ["/api/v1/readings", "/event"]) {
      const answer = await server.call(path, { method: "POST", body: bomb, headers: { "content-encoding": "gzip" }, deadlineMs: 30_000 });
      // The original never took gzip: there it may as well be another encoding.
      assert.ok(answer.status === 413 || (path === "/event" && [400, 415].includes(answer.status)), `${path}: ${answer.status}`);
    }
    assertProblem(await post(bomb, { "content-encoding": "gzip", "content-type": "application/x-ndjson" }), 413);
  });
  await t.test("1 GB of blanks in zstd: 413", async () => {
    assertProblem(await post(zstdBomb(8192), { "content-encoding": "zstd" }), 413);
  });
  await t.test("an NDJSON body that is one endless line: 413", async () => {
    const text = await rawExchange(server.port, (socket) => {
      socket.write(head("POST", "/api/v1/readings", ["Content-Type: application/x-ndjson", `Content-Length: ${64 * MIB}`]));
      pour(socket, 64 * MIB, Buffer.alloc(64 * 1024, 0x78));
    }, { enough: hasStatus });
    assert.equal(statusOf(text), 413, text.slice(0, 200));
  });
  await t.test("100 MB to the original path: 413", async () => {
    const text = await rawExchange(server.port, (socket) => {
      socket.write(head("POST", "/event", [JSON_TYPE, `Content-Length: ${100 * MIB}`]));
      pour(socket, 100 * MIB);
    }, { enough: hasStatus });
    assert.equal(statusOf(text), 413, text.slice(0, 200));
  });
  await t.test("none of it was held in memory", () => {
    const grown = server.peakMemory() - before;
    assert.ok(grown < MEMORY_ALLOWANCE, `the process grew by ${Math.round(grown / MIB)} MiB`);
  });

  await t.test("a body cut short stores nothing", async () => {
    const half = GOOD.length - 10;
    const cuts = [
      [`Content-Length: ${GOOD.length + 1}`, GOOD],
      [`Content-Length: ${GOOD.length}`, GOOD.slice(0, half)],
      ["Transfer-Encoding: chunked", `${GOOD.length.toString(16)}\r\n${GOOD}\r\n`],
      ["Transfer-Encoding: chunked", `${(GOOD.length + 5).toString(16)}\r\n${GOOD}`],
    ];
    for (const type of [JSON_TYPE, "Content-Type: application/x-ndjson"]) {
      for (const path of ["/api/v1/readings", "/event"]) {
        for (const [length, body] of cuts) {
          const text = await rawExchange(server.port, (socket) => {
            socket.end(head("POST", path, [type, length]) + body);
          });
          assert.ok(statusOf(text) === null || statusOf(text) >= 400, `${length}: ${text.slice(0, 100)}`);
        }
      }
    }
  });
  await t.test("a hundred half-sent bodies and heads keep nobody else waiting", async (t) => {
    const sockets = Array.from({ length: 100 }, (_, number) => {
      const socket = net.connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      const whole = head("POST", "/api/v1/readings", [JSON_TYPE, `Content-Length: ${GOOD.length}`]);
      socket.write(number % 2 === 0 ? whole + GOOD.slice(0, 20) : whole.slice(0, 30));
      return socket;
    });
    afterwards(t, () => sockets.forEach((socket) => socket.destroy()));
    for (let round = 0; round < 20; round += 1) {
      const begun = Date.now();
      assert.equal((await server.call("/api/v1/status")).status, 200);
      assert.ok(Date.now() - begun < 2_000, "a healthy request had to wait");
    }
  });
  await t.test("heads that cannot be parsed are answered", async () => {
    for (const [text, status] of [
      ["nonsense\r\n\r\n", 400], ["GET /x y HTTP/1.1\r\nHost: x\r\n\r\n", 400],
      [`GET / HTTP/1.1\r\nHost: x\r\n${"X: y\r\n".repeat(150)}\r\n`, 431], [`GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(200_000)}\r\n\r\n`, 431],
    ]) {
      const answer = await rawExchange(server.port, (socket) => socket.write(text), { enough: hasStatus });
      assert.equal(statusOf(answer), status, text.slice(0, 40));
    }
  });
  await t.test("malformed heads: 400 or the end of the connection", async () => {
    const heads = [
      "nonsense\r\n\r\n", "GET\r\n\r\n", "POST /event HTTP/9.9\r\n\r\n", "\0\0\0\0\r\n\r\n",
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(1_000_000)}\r\n\r\n`,
      `GET /${"z".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      head("POST", "/event", [JSON_TYPE, "Content-Length: -1"]), head("POST", "/event", [JSON_TYPE, "Content-Length: 1", "Content-Length: 2"]),
      `${head("POST", "/event", [JSON_TYPE, "Transfer-Encoding: chunked"])}zz\r\n`,
    ];
    for (const text of heads) {
      const answer = await rawExchange(server.port, (socket) => socket.write(text), { enough: hasStatus });
      assert.ok(statusOf(answer) === null || (statusOf(answer) >= 400 && statusOf(answer) < 500), `${text.slice(0, 40)}: ${answer.slice(0, 60)}`);
    }
  });

  await t.test("afterwards nothing is stored and a healthy reading passes, plain and in zstd", async () => {
    await server.drained();
    assert.deepEqual(await server.exportedEvents(), []);
    assert.deepEqual(server.panics, []);
    assert.equal((await post(GOOD)).status, 202);
    const packed = await post(zstdStored(Buffer.from(GOOD.replace("AL-0012", "packed"))), { "content-encoding": "zstd" });
    assert.deepEqual([packed.status, packed.json], [202, { accepted: 1, rejected: [] }]);
    await waitUntil("both are stored", async () => (await server.devices()).length === 2);
  });
});
