// Bytes on a socket, for requests that no HTTP library would send.

import net from "node:net";

/**
 * Connects, lets `send(socket)` write, and answers all bytes that came back as text once the other side ends, once
 * `enough(text)` holds, or at the deadline.
 */
export function rawExchange(port, send, { enough = () => false, deadlineMs = 15_000 } = {}) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    let text = "";
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(finish, deadlineMs);
    socket.on("connect", () => send(socket));
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (enough(text)) finish();
    });
    // A server that refuses early may reset the connection while the body is still on its way.
    socket.on("error", finish);
    socket.on("close", finish);
  });
}

/** Writes `total` bytes in pieces, as fast as the other side takes them, until it stops taking them. */
export function pour(socket, total, piece = Buffer.alloc(64 * 1024, 0x20)) {
  let left = total;
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      const bytes = left < piece.length ? piece.subarray(0, left) : piece;
      left -= bytes.length;
      if (!socket.write(bytes)) return socket.once("drain", more);
    }
  };
  more();
}

/** The status of a raw answer; `null` when there is none. */
export function statusOf(text) {
  const match = /^HTTP\/1\.1 (\d{3})/.exec(text);
  return match === null ? null : Number(match[1]);
}

/** A request's head with the given header lines. */
export function head(method, path, lines) {
  return `${[`${method} ${path} HTTP/1.1`, "Host: localhost", ...lines].join("\r\n")}\r\n\r\n`;
}
