// What the browser tests stand on: a server to look at, a way to cut its line, and pages that note what must not happen.

import { connect, createServer } from 'node:net';
import { startStandIn } from '../dev/stand-in-server.mjs';
import { startReal } from './real-server.mjs';

const address = process.env.FIELDWATCH_URL?.replace(/\/$/, '');
const program = process.env.FIELDWATCH_BIN;

/** What the tests run against, for people. */
export const serverUnderTest = address ?? program ?? 'the stand-in server, which is not the product; set FIELDWATCH_BIN';

/**
 * The server under test, as `{ url, close }`: the one at FIELDWATCH_URL, or one of the program FIELDWATCH_BIN, or a stand-in.
 * `empty` asks for one without devices; FIELDWATCH_EMPTY_URL names it beside FIELDWATCH_URL, and without it the result is null.
 */
export async function someServer({ empty = false } = {}) {
  if (address !== undefined) {
    const url = empty ? process.env.FIELDWATCH_EMPTY_URL?.replace(/\/$/, '') : address;
    return url ? { url, close: async () => {} } : null;
  }
  const devices = empty ? 0 : 40;
  if (program === undefined) return startStandIn({ devices });
  const server = await startReal(program);
  for (let n = 0; n < devices; n++) {
    await postReading(server.url, { deviceId: `e2e-fleet-${n}`, temperature: n - 10, lat: 36 + (n % 8) * 3, lon: -8 + n });
  }
  return server;
}

let readings = 0;

export async function postReading(url, { deviceId, temperature = 20, lat = 48.2, lon = 16.37 }) {
  const answer = await fetch(`${url}/api/v1/readings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ deviceId, temperature, lat, lon, readingId: `e2e-${process.pid}-${Date.now()}-${readings++}` }),
  });
  if (answer.status !== 202) throw new Error(`the reading was answered ${answer.status}: ${await answer.text()}`);
}

/** A line to the server that can be cut, and held so that nothing comes through while it seems to stand. */
export async function lineTo(url) {
  const target = new URL(url);
  const sockets = new Set();
  let up = true;
  let held = false;
  const proxy = createServer((inside) => {
    if (!up) return inside.destroy();
    sockets.add(inside);
    if (held) return;
    const outside = connect(Number(target.port || 80), target.hostname);
    for (const [from, to] of [[inside, outside], [outside, inside]]) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    cut() {
      up = false;
      for (const socket of sockets) socket.destroy();
    },
    hold() {
      held = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    mend() {
      up = true;
    },
    async close() {
      this.cut();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

/** A page at `url`, with `faults`: dialogs, errors, breaches of the policy, and requests to other hosts. */
export async function openPage(browser, url, { path = '/', viewport = { width: 1280, height: 800 }, ...options } = {}) {
  const context = await browser.newContext({ viewport, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.protocol.startsWith('http') && asked.origin !== new URL(url).origin) faults.push(`request to ${asked.origin}`);
  });
  await page.exposeFunction('noteBreach', (breach) => faults.push(`policy: ${breach}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      window.noteBreach(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`),
    );
  });
  await page.goto(url + path);
  return { page, faults, close: () => context.close() };
}

export const LIVE = '[data-state="live"]';
export const OFFLINE = '[data-state="offline"]';
export const optionOf = (page, deviceId) => page.locator(`[data-device=${JSON.stringify(deviceId)}]`);

/** Types into the search, which is how one finds a device among many. */
export async function openDevice(page, deviceId) {
  await page.getByRole('searchbox').fill(deviceId);
  await optionOf(page, deviceId).click();
  await page.locator('aside[aria-label="Device"]').waitFor();
}
