// Private ports below 32768. From there up the kernel takes the ports of outgoing connections, and a client that
// reconnects to a server that is down can take that server's port: the restart would then fail.

import net from "node:net";

const LOWEST = 20_000;
const HIGHEST = 32_000;

/** A port of the loopback address on which nothing listens now. */
export async function freePort() {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${LOWEST} to ${HIGHEST}`);
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
