// HTTP as the tests need it: one call, one answer, a deadline on everything.

import http from "node:http";

const DEADLINE_MS = 10_000;

/** The `code` of the error when no answer came in time. */
export const NO_ANSWER = "NO_ANSWER";

/**
 * Sends one request; answers `{status, headers, text, json}` (`json` is parsed when the body is JSON, else undefined).
 * Rejects when no whole answer came. `body` is text or bytes, sent as given.
 */
export function request(url, { method = "GET", headers = {}, body, agent, deadlineMs = DEADLINE_MS } = {}) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const outgoing = http.request(url, { method, agent, headers: { ...length, ...headers } }, (incoming) => {
      const chunks = [];
      incoming.on("data", (chunk) => chunks.push(chunk));
      incoming.on("error", settle(reject));
      incoming.on("close", settle(() => {
        if (!incoming.complete) return reject(new Error("the answer was cut short"));
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString("utf8");
        resolve({ status: incoming.statusCode, headers: incoming.headers, bytes, text, json: parsed(text) });
      }));
    });
    const timer = setTimeout(() => outgoing.destroy(Object.assign(new Error(`no answer within ${deadlineMs} ms`), { code: NO_ANSWER })), deadlineMs);
    const settle = (then) => (value) => {
      clearTimeout(timer);
      then(value);
    };
    outgoing.on("error", settle(reject));
    outgoing.end(body);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One call of the JSON API; `body` is made JSON unless it is text or bytes already. */
export function call(url, { method = "GET", body, headers = {}, ...more } = {}) {
  const raw = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
  const type = body === undefined ? {} : { "content-type": "application/json" };
  return request(url, { method, body: raw ? body : JSON.stringify(body), headers: { ...type, ...headers }, ...more });
}

/** All pages of a list; `items` names the list in the answer. */
export async function allPages(url, items, deadlineMs) {
  const all = [];
  const followed = new Set();
  let cursor = null;
  do {
    const page = new URL(url);
    if (cursor !== null) page.searchParams.set("cursor", cursor);
    const { status, json, text } = await request(page, { deadlineMs });
    if (status !== 200) throw new Error(`${page} answered ${status}: ${text}`);
    all.push(...json[items]);
    cursor = json.nextCursor;
    if (cursor === undefined || followed.has(cursor)) throw new Error(`${page} leads back to ${cursor}`);
    followed.add(cursor);
  } while (cursor !== null);
  return all;
}
