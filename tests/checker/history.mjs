// The history of a load: what was sent, and what was answered. One JSON object a line:
//
//   {"what":"sent","request":7,"time":MS,"readings":[{"deviceId","readingId","sequence","temperature","lat","lon","at","late"}]}
//   {"what":"acked","request":7,"time":MS}
//   {"what":"refused","request":7,"time":MS,"status":503}
//   {"what":"unknown","request":7,"time":MS}
//
// A request that is repeated keeps its number and adds only a further outcome. Every reading that is not late has a
// temperature of its own within its device, more than the threshold from its neighbours', so that each must raise
// one event and each event can be told from the others even where the reading carried no id.

import { appendFileSync, readFileSync, writeFileSync } from "node:fs";

/** Writes a history outside the server's folder. Lines reach the file before `sent` and the outcomes return. */
export class HistoryWriter {
  #path;
  #requests = 0;

  constructor(path) {
    this.#path = path;
    writeFileSync(path, "");
  }

  /** Notes readings about to be sent as one request; answers the request's number. */
  sent(readings) {
    this.#requests += 1;
    this.#line({ what: "sent", request: this.#requests, time: Date.now(), readings });
    return this.#requests;
  }

  acked(request) {
    this.#line({ what: "acked", request, time: Date.now() });
  }

  refused(request, status) {
    this.#line({ what: "refused", request, time: Date.now(), status });
  }

  unknown(request) {
    this.#line({ what: "unknown", request, time: Date.now() });
  }

  #line(entry) {
    appendFileSync(this.#path, JSON.stringify(entry) + "\n");
  }
}

/** Readings of a history file, each with its outcome as known at `until` (Unix milliseconds). */
export function readHistory(path, until = Infinity) {
  return outcomes(readNdjson(path), until);
}

/**
 * The same from entries in memory. A reading once acknowledged is `acked`; one whose last answer was a 4xx is
 * `refused`; everything else is `unknown`, a 5xx too: the sender repeats it.
 */
export function outcomes(entries, until = Infinity) {
  const requests = new Map();
  for (const entry of entries) {
    if (entry.what === "sent") {
      requests.set(entry.request, { readings: entry.readings, outcome: "unknown", status: null });
      continue;
    }
    const request = requests.get(entry.request);
    if (entry.time > until || request.outcome === "acked") continue;
    const refused = entry.what === "refused" && entry.status < 500;
    request.outcome = entry.what === "acked" ? "acked" : refused ? "refused" : "unknown";
    request.status = entry.status ?? null;
  }
  return [...requests.values()].flatMap(({ readings, outcome, status }) =>
    readings.map((reading) => ({ ...reading, outcome, status })));
}

/** All objects of an NDJSON file. */
export function readNdjson(path) {
  return parseNdjson(readFileSync(path, "utf8"));
}

export function parseNdjson(text) {
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line));
}
