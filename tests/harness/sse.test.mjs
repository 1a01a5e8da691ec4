import assert from "node:assert/strict";
import { test } from "node:test";

import { SseParser } from "./sse.mjs";

const STREAM = ": hello\n\nid: 7\nevent: a\ndata: é1\ndata: 2\n\nid: 8\n\ndata:x\r\n\r\ndata: cut";

test("messages are the same however the bytes are cut", () => {
  const bytes = Buffer.from(STREAM);
  for (let size = 1; size <= bytes.length; size += 1) {
    const parser = new SseParser();
    const messages = [];
    for (let from = 0; from < bytes.length; from += size) messages.push(...parser.push(bytes.subarray(from, from + size)));
    assert.deepEqual(messages, [
      { id: "7", event: "a", data: "é1\n2" },
      { id: "8", event: "message", data: "x" },
    ], `in pieces of ${size}`);
  }
});

test("an id without data moves the resume point and is no message", () => {
  const parser = new SseParser("5");
  assert.deepEqual(parser.push(Buffer.from("id: 9\n\n")), []);
  assert.equal(parser.lastEventId, "9");
});

test("an id of a message that was cut off does not count", () => {
  const parser = new SseParser("5");
  parser.push(Buffer.from("id: 9\ndata: half"));
  assert.equal(parser.lastEventId, "5");
});
