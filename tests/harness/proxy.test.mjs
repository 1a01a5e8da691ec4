import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";

import { afterwards } from "./cleanup.mjs";
import { freePort } from "./ports.mjs";
import { proxyBefore } from "./proxy.mjs";
import { waitUntil } from "./wait.mjs";

/** A server that gives back what it gets, and how much it got by now. */
async function echo(t) {
  const port = await freePort();
  const seen = { bytes: 0 };
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      seen.bytes += bytes.length;
      socket.write(bytes);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  afterwards(t, () => server.close());
  return { url: `amqp://user:word@127.0.0.1:${port}/host?x=1`, seen };
}

function client(t, url) {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  const got = { text: "", closed: false };
  socket.on("data", (bytes) => { got.text += bytes; });
  socket.on("error", () => {});
  socket.on("close", () => { got.closed = true; });
  afterwards(t, () => socket.destroy());
  return { socket, got };
}

test("a proxy that went silent forwards nothing, closes nothing, and loses nothing", async (t) => {
  const { url, seen } = await echo(t);
  const proxy = await proxyBefore(t, url);
  assert.equal(proxy.url.replace(/:\d+\//, ""), url.replace(/:\d+\//, ""));
  const old = client(t, proxy.url);
  old.socket.write("a");
  await waitUntil("it passes", () => old.got.text === "a");

  proxy.silence();
  const young = client(t, proxy.url);
  old.socket.write("b");
  young.socket.write("c");
  await waitUntil("both are connected", () => proxy.connections === 2);
  // Another connection to the server proves that it had the time to see what it must not see.
  const beside = client(t, url);
  beside.socket.write("xyz");
  await waitUntil("the server answers", () => beside.got.text === "xyz");
  assert.deepEqual([seen.bytes, old.got, young.got], [4, { text: "a", closed: false }, { text: "", closed: false }]);

  proxy.pass();
  await waitUntil("what waited has come", () => old.got.text === "ab" && young.got.text === "c");
  proxy.cut();
  await waitUntil("both are cut", () => old.got.closed && young.got.closed);
});
