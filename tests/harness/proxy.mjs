// A proxy of TCP that can go silent: what a firewall or a dead link does to a connection, and what keep-alives do not see.

import net from "node:net";

import { afterwards } from "./cleanup.mjs";
import { freePort } from "./ports.mjs";

/** A proxy before `url`, for a test; `proxy.url` is the same address through it. */
export async function proxyBefore(t, url) {
  const proxy = new Proxy(url, await freePort());
  await proxy.listen();
  afterwards(t, () => proxy.close());
  return proxy;
}

class Proxy {
  #target;
  #port;
  #server;
  #pairs = new Set();
  #silent = false;

  constructor(url, port) {
    const { hostname, port: targetPort } = new URL(url);
    this.#target = { host: hostname, port: Number(targetPort) };
    this.#port = port;
    this.url = url.replace(`${hostname}:${targetPort}`, `127.0.0.1:${port}`);
    this.#server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (near) => this.#connect(near));
  }

  listen() {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#port, "127.0.0.1", resolve);
    });
  }

  /** Nothing is forwarded any more, and nothing closed, in old connections and new ones. */
  silence() {
    this.#silent = true;
    for (const { near, far } of this.#pairs) for (const socket of [near, far]) socket.pause();
  }

  /** Forwards again: what waited in the connections that are still open arrives now, as after a network's recovery. */
  pass() {
    this.#silent = false;
    for (const { near, far } of this.#pairs) for (const socket of [near, far]) socket.resume();
  }

  /** Ends all connections. */
  cut() {
    for (const { near, far } of this.#pairs) for (const socket of [near, far]) socket.destroy();
  }

  /** How many connections are open. */
  get connections() {
    return this.#pairs.size;
  }

  async close() {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }

  #connect(near) {
    const far = net.connect({ ...this.#target, allowHalfOpen: true });
    const pair = { near, far };
    this.#pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.setNoDelay(true);
      from.on("data", (bytes) => {
        if (to.write(bytes)) return;
        from.pause();
        to.once("drain", () => { if (!this.#silent) from.resume(); });
      });
      from.on("end", () => to.end());
      from.on("error", () => {});
      from.on("close", () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
    }
    if (this.#silent) far.pause();
    else near.resume();
  }
}
