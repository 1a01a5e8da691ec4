// A load of devices that do what CONTRACT §3 asks of them: one reading after another, and after no answer the same
// reading again with the same id, until it is answered. Everything goes to a history for the checker.

import http from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { gzipSync } from "node:zlib";

import { textOf } from "../reference/decimal.mjs";
import { afterwards } from "./cleanup.mjs";
import { call, NO_ANSWER } from "./http.mjs";
import { seeded } from "./random.mjs";

const ANSWER_DEADLINE_MS = 5_000;
const RETRY_MS = 25;
const LONGEST_RETRY_MS = 1_000;
/** Below the 16 ids that a device remembers, so that a batch that is repeated whole is known again. */
const READINGS_PER_DEVICE_AND_BATCH = 3;
/** Answered requests that are sent again: a device that did not hear the answer does that. */
const REPEATED_SHARE = 0.05;
const LATE_SHARE = 0.1;

/** Starts a load for a test; it ends with the test at the latest. */
export function startLoad(t, options) {
  const load = new Load(options);
  afterwards(t, () => load.stop({ abandon: true }));
  return load;
}

class Load {
  /** Answers that no well-formed reading should get; empty after a healthy run. */
  unexpected = [];
  /** How many requests were answered with 202, by now. */
  answered = 0;
  /** Refusals with 503, each with its `Retry-After`. */
  overloads = [];
  /** Requests that were not answered in time, each with its server; one that cut the connection is not among them. */
  unanswered = [];
  /** The longest that an answer of each server took, of whatever status. */
  slowestAnswerMs = new Map();
  #urls;
  #history;
  #stopping = false;
  #abandoning = false;
  #connections;

  #pauseMs;
  #answerDeadlineMs;

  /**
   * `url`: a server, or several that do the same: connections begin at them in turn, and go to the next when theirs is gone or
   * answers 503. One that does not answer in time is waited for: what it was sent may take effect when it comes to itself,
   * and would not be known again behind many newer readings (CONTRACT §3 has a device know its last 16).
   * `pauseMs`: between two requests of a connection.
   */
  constructor({ url, history, seed, connections = 16, devicesPerConnection = 4, pauseMs = 2, answerDeadlineMs = ANSWER_DEADLINE_MS }) {
    this.#urls = [url].flat();
    this.#history = history;
    this.#pauseMs = pauseMs;
    this.#answerDeadlineMs = answerDeadlineMs;
    this.#connections = Array.from({ length: connections }, (_, number) => {
      const style = STYLES[number % STYLES.length];
      const devices = Array.from({ length: devicesPerConnection }, (_, index) => new LoadDevice(`${style.name}-${number}-${index}`));
      return this.#run({ style, devices, random: seeded(seed + number), at: number });
    });
  }

  /**
   * Ends the load after the request in hand of each connection, which is repeated until it is answered; with
   * `abandon` it is not repeated any more.
   */
  async stop({ abandon = false } = {}) {
    this.#stopping = true;
    this.#abandoning = abandon;
    await Promise.all(this.#connections);
  }

  async #run({ style, devices, random, at }) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const way = { agent, at };
    for (let turn = 0; !this.#stopping; turn += 1) {
      const readings = style.readings(devices, turn, random);
      const number = this.#history.sent(readings);
      const message = style.message(readings, `${devices[0].deviceId}-${turn}`);
      const outcome = await this.#untilAnswered(number, readings.length, message, way);
      if (outcome === "acked" && random.chance(REPEATED_SHARE)) {
        await this.#untilAnswered(number, readings.length, message, way);
      }
      await pause(this.#pauseMs);
    }
    agent.destroy();
  }

  async #untilAnswered(number, count, message, way) {
    for (;;) {
      const answer = await this.#post(message, way);
      if (answer === null) {
        this.#history.unknown(number);
      } else if (answer.status === 202) {
        this.#history.acked(number);
        this.answered += 1;
        if (answer.json?.accepted !== count) this.unexpected.push(answer.text);
        return "acked";
      } else {
        this.#history.refused(number, answer.status);
        if (answer.status === 503) {
          this.overloads.push(answer.headers["retry-after"] ?? null);
          way.at += 1;
        } else {
          this.unexpected.push(`${answer.status} ${answer.text}`);
        }
        if (answer.status < 500) return "refused";
      }
      if (this.#abandoning) return "abandoned";
      const wanted = Number(answer?.headers["retry-after"] ?? 0) * 1000;
      await pause(Math.min(Math.max(wanted, RETRY_MS), LONGEST_RETRY_MS));
    }
  }

  /** The answer, or null when there was none. */
  async #post({ body, headers }, way) {
    const server = this.#urls[way.at % this.#urls.length];
    const begun = Date.now();
    try {
      const options = { method: "POST", body, headers, agent: way.agent, deadlineMs: this.#answerDeadlineMs };
      const answer = await call(`${server}/api/v1/readings`, options);
      this.slowestAnswerMs.set(server, Math.max(this.slowestAnswerMs.get(server) ?? 0, Date.now() - begun));
      return answer;
    } catch (error) {
      if (error.code === NO_ANSWER) this.unanswered.push(server);
      else way.at += 1;
      return null;
    }
  }
}

/** A device of the load: every reading has a temperature of its own, far from the one before. */
class LoadDevice {
  #sequence = 0;
  #late = 0;
  #firstAt = Date.now() - 3_600_000;

  constructor(deviceId) {
    this.deviceId = deviceId;
  }

  next({ withId, withTime }) {
    const sequence = this.#sequence;
    this.#sequence += 1;
    const tenThousandths = (sequence % 2 === 0 ? 10_0000n : 50_0000n) + BigInt(Math.floor(sequence / 2));
    return this.#reading(sequence, tenThousandths, {
      readingId: withId ? `${this.deviceId}/${sequence}` : null,
      at: withTime ? new Date(this.#firstAt + sequence).toISOString() : null,
      late: false,
    });
  }

  /** A reading from before the first one: it has no effect but a point of the track. */
  late() {
    this.#late += 1;
    return this.#reading(this.#sequence, -50_0000n - BigInt(this.#late), {
      readingId: `${this.deviceId}/late-${this.#late}`,
      at: new Date(this.#firstAt - this.#late).toISOString(),
      late: true,
    });
  }

  get hasReported() {
    return this.#sequence > 0;
  }

  #reading(sequence, tenThousandths, more) {
    return { deviceId: this.deviceId, sequence, temperature: textOf(tenThousandths, 4), lat: "52.5", lon: "13.25", ...more };
  }
}

const singles = (options) => (devices, turn, random) => {
  const device = devices[turn % devices.length];
  const late = options.withTime && device.hasReported && random.chance(LATE_SHARE);
  return [late ? device.late() : device.next(options)];
};

const batches = (options) => (devices) =>
  devices.flatMap((device) => Array.from({ length: READINGS_PER_DEVICE_AND_BATCH }, () => device.next(options)));

// A batch holds several readings of each device without times: a server that does not recognise its repeat
// processes them again as new readings, which a single equal reading would hide.
const STYLES = [
  {
    name: "timed",
    readings: singles({ withId: true, withTime: true }),
    message: ([reading]) => ({ body: line(reading), headers: {} }),
  },
  {
    name: "single",
    readings: singles({ withId: true, withTime: false }),
    message: ([reading]) => ({ body: line(reading), headers: {} }),
  },
  {
    name: "array",
    readings: batches({ withId: true, withTime: false }),
    message: (readings) => ({ body: `[${readings.map(line).join(",")}]`, headers: {} }),
  },
  {
    name: "keyed",
    readings: batches({ withId: false, withTime: false }),
    message: (readings, key) => ({
      body: gzipSync(readings.map(line).join("\n")),
      headers: { "content-type": "application/x-ndjson", "content-encoding": "gzip", "idempotency-key": key },
    }),
  },
];

/** The JSON text of a reading, its numbers as written. */
export function line({ deviceId, temperature, lat, lon, at = null, readingId = null }) {
  const members = [`"deviceId":${JSON.stringify(deviceId)}`, `"temperature":${temperature}`, `"lat":${lat}`, `"lon":${lon}`];
  if (at !== null) members.push(`"at":${JSON.stringify(at)}`);
  if (readingId !== null) members.push(`"readingId":${JSON.stringify(readingId)}`);
  return `{${members.join(",")}}`;
}
