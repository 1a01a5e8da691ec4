// A client of server-sent events, as the WHATWG standard tells it, that resumes by itself.

import http from "node:http";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as pause } from "node:timers/promises";

import { waitUntil } from "./wait.mjs";

const RECONNECT_MS = 25;

/** Turns bytes into messages `{id, event, data}`; `data` stays text. What is cut off at the end is dropped. */
export class SseParser {
  #decoder = new StringDecoder("utf8");
  #rest = "";
  #data = [];
  #event = "";
  #idBuffer;
  comments = 0;

  constructor(lastEventId = "") {
    this.#idBuffer = this.lastEventId = lastEventId;
  }

  /** Messages completed by these bytes. */
  push(bytes) {
    const text = this.#rest + this.#decoder.write(bytes);
    // A carriage return at the very end may be the first half of a line end.
    const lines = text.replace(/\r\n|\r(?!$)/g, "\n").split("\n");
    this.#rest = lines.pop();
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    if (line.startsWith(":")) this.comments += 1;
    const colon = line.indexOf(":");
    const [field, value] = colon === -1 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (field === "data") this.#data.push(value);
    if (field === "event") this.#event = value;
    if (field === "id" && !value.includes("\0")) this.#idBuffer = value;
    return [];
  }

  #dispatch() {
    this.lastEventId = this.#idBuffer;
    const message = { id: this.lastEventId, event: this.#event || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#data = [];
    this.#event = "";
    return isEmpty ? [] : [message];
  }
}

/** Follows a stream until closed. `messages` grows; `data` is parsed when `parse` is not switched off. */
export class SseClient {
  messages = [];
  connections = 0;
  headers = null;
  lastEventId = "";
  #url;
  #options;
  #closed = false;
  #outgoing = null;
  #running;

  /**
   * `url`: an address, or what gives one for each connection. `resume`: whether to connect again after the end, with
   * `Last-Event-ID`.
   */
  constructor(url, { resume = true, parse = true, headers = {}, lastEventId = "" } = {}) {
    this.#url = url;
    this.#options = { resume, parse, headers };
    this.lastEventId = lastEventId;
    this.#running = this.#run();
  }

  async #run() {
    do {
      await this.#connection();
      if (!this.#closed && this.#options.resume) await pause(RECONNECT_MS);
    } while (!this.#closed && this.#options.resume);
    this.ended = true;
  }

  /** One connection from beginning to end; an error is an end like any other. */
  #connection() {
    return new Promise((resolve) => {
      const resumeFrom = this.lastEventId === "" ? {} : { "last-event-id": this.lastEventId };
      const headers = { accept: "text/event-stream", ...this.#options.headers, ...resumeFrom };
      const url = typeof this.#url === "function" ? this.#url() : this.#url;
      this.#outgoing = http.get(url, { headers, agent: false }, (incoming) => {
        this.connections += 1;
        this.status = incoming.statusCode;
        this.headers = incoming.headers;
        const parser = new SseParser(this.lastEventId);
        incoming.on("data", (bytes) => {
          if (incoming.statusCode !== 200) return;
          const completed = parser.push(bytes);
          this.lastEventId = parser.lastEventId;
          for (const message of completed) {
            this.messages.push(this.#options.parse ? { ...message, data: JSON.parse(message.data) } : message);
          }
        });
        incoming.on("error", () => {});
        incoming.on("close", resolve);
      });
      this.#outgoing.on("error", resolve);
    });
  }

  /** Cuts the connection as a lost network would; a resuming client connects again. */
  cut() {
    this.#outgoing?.destroy();
  }

  async close() {
    this.#closed = true;
    this.cut();
    await this.#running;
  }

  /** Messages of one name. */
  named(event) {
    return this.messages.filter((message) => message.event === event);
  }

  /** Waits for a message that `matches`, and answers it. */
  until(what, matches, deadlineMs) {
    return waitUntil(what, () => this.messages.find(matches), deadlineMs);
  }
}
