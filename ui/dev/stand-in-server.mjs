// A STAND-IN for the Fieldwatch server, for work on the page alone. Not the product: it stores nothing, checks little, and
// simulates a fleet in memory. It serves ui/dist under the same content security policy as the real server.
//
//   node dev/stand-in-server.mjs [--port 17301] [--devices 200] [--empty] [--interval 1000]
//
// `--interval` is how often each device reports, in milliseconds.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { StandInFleet } from './stand-in-fleet.mjs';

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; worker-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2',
};
const FRAME_EVERY_MS = 100;
const SNAPSHOT_PART = 5_000;
const STATUS_WORDS = ['active', 'idle', 'silent', 'active'];

/** Resolves to `{ url, fleet, close }` once it listens. */
export async function startStandIn({ port = 0, devices = 200, interval = 1_000 } = {}) {
  const fleet = new StandInFleet();
  const clients = new Set();
  fleet.populate(devices);
  fleet.onChange = (device) => clients.forEach((client) => client.changed.add(device));
  fleet.onGone = (device) => clients.forEach((client) => client.gone.push(device.id));

  const server = createServer((request, response) => {
    answer(request, response, fleet, clients).catch((error) => {
      console.error('stand-in:', error);
      response.writeHead(500).end();
    });
  });
  const timers = [
    setInterval(() => fleet.step(FRAME_EVERY_MS / interval), FRAME_EVERY_MS),
    setInterval(() => clients.forEach((client) => sendFrame(client, fleet)), FRAME_EVERY_MS),
    setInterval(() => clients.forEach(({ response }) => response.write(`:\nid: ${fleet.position}\n\n`)), 15_000),
  ];
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    fleet,
    close: () => {
      timers.forEach(clearInterval);
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(request, response, fleet, clients) {
  const url = new URL(request.url, 'http://stand-in');
  const path = url.pathname;
  if (path === '/api/v1/stream') return openStream(request, response, fleet, clients);
  if (path === '/api/v1/status') return json(response, 200, statusOf(fleet));
  if (path === '/api/v1/readings' && request.method === 'POST') return takeReadings(request, response, fleet);
  if (path === '/api/v1/devices') return json(response, 200, listDevices(url, fleet));
  const [, id, part] = path.match(/^\/api\/v1\/devices\/([^/]+)(?:\/(events|track))?$/) ?? [];
  if (id !== undefined) return oneDevice(request, response, fleet, decodeURIComponent(id), part, url);
  return serveFile(path, response);
}

function openStream(request, response, fleet, clients) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const client = { response, numbers: new Map(), next: 0, changed: new Set(), gone: [] };
  send(response, 'hello', fleet.position, { logId: fleet.logId, position: fleet.position });
  const all = [...fleet.devices.values()];
  for (let from = 0; from === 0 || from < all.length; from += SNAPSHOT_PART) {
    const last = from + SNAPSHOT_PART >= all.length;
    send(response, 'snapshot', fleet.position, { position: fleet.position, last, ...columns(client, all.slice(from, from + SNAPSHOT_PART)) });
  }
  clients.add(client);
  request.on('close', () => clients.delete(client));
}

function sendFrame(client, fleet) {
  if (client.changed.size === 0 && client.gone.length === 0) return;
  const gone = client.gone.flatMap((id) => {
    const number = client.numbers.get(id);
    client.numbers.delete(id);
    return number === undefined ? [] : [number];
  });
  const changed = [...client.changed].filter((device) => fleet.devices.get(device.id) === device);
  client.changed.clear();
  client.gone = [];
  send(client.response, 'frame', fleet.position, { position: fleet.position, ...columns(client, changed), gone });
}

function columns(client, devices) {
  const out = { ids: [], i: [], t: [], lat: [], lon: [], at: [], s: [] };
  for (const device of devices) {
    if (!client.numbers.has(device.id)) {
      client.numbers.set(device.id, client.next++);
      out.ids.push(device.id);
    }
    out.i.push(client.numbers.get(device.id));
    out.t.push(Math.round(device.temperature * 1e4));
    out.lat.push(Math.round(device.lat * 1e7));
    out.lon.push(Math.round(device.lon * 1e7));
    out.at.push(device.at);
    out.s.push(device.status);
  }
  return out;
}

const send = (response, event, id, data) => response.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);

function statusOf(fleet) {
  const devices = { active: 0, idle: 0, silent: 0 };
  for (const device of fleet.devices.values()) devices[STATUS_WORDS[device.status]] += 1;
  return {
    version: '0.0.0-stand-in', roles: ['ingest', 'state', 'api'], logId: fleet.logId, position: fleet.position, devices,
    queue: { kind: 'embedded', healthy: true, depth: 0 }, store: { kind: 'embedded', healthy: true }, push: { kind: 'embedded', healthy: true }, lagMs: 0,
  };
}

const deviceJson = (device) => ({
  deviceId: device.id, name: device.name, labels: device.labels, temperature: device.temperature, location: { lat: device.lat, lon: device.lon },
  lastSeen: new Date(device.at).toISOString(), receivedAt: new Date(device.at).toISOString(), version: device.version,
  status: STATUS_WORDS[device.status], openAlarms: device.status === 3 ? 1 : 0,
});

function listDevices(url, fleet) {
  const query = (url.searchParams.get('q') ?? '').toLowerCase();
  const from = Number(url.searchParams.get('cursor') ?? 0);
  const limit = Number(url.searchParams.get('limit') ?? 100);
  const matching = [...fleet.devices.values()].filter((device) => [device.id, device.name ?? '', ...device.labels].some((text) => text.toLowerCase().includes(query)));
  const nextCursor = from + limit < matching.length ? String(from + limit) : null;
  return { devices: matching.slice(from, from + limit).map(deviceJson), nextCursor, position: fleet.position };
}

async function oneDevice(request, response, fleet, id, part, url) {
  const device = fleet.devices.get(id);
  if (!device) return json(response, 404, { type: 'about:blank', title: 'No such device', status: 404, code: 'device_not_found' });
  if (part === 'events') return json(response, 200, { events: device.events.slice(0, Number(url.searchParams.get('limit') ?? 100)), nextCursor: null });
  if (part === 'track') {
    const from = Date.parse(url.searchParams.get('from') ?? '1970-01-01T00:00:00Z');
    const kept = device.track.filter(({ at }) => at >= from);
    const step = Math.max(1, Math.ceil(kept.length / Number(url.searchParams.get('maxPoints') ?? 1_000)));
    const points = kept.filter((_, n) => n % step === 0).map((point) => ({ ...point, at: new Date(point.at).toISOString() }));
    return json(response, 200, { deviceId: id, points, downsampled: step > 1 });
  }
  if (request.method === 'PATCH') {
    fleet.describe(device, JSON.parse(await bodyOf(request)));
  } else if (request.method === 'DELETE') {
    fleet.forget(device);
    return response.writeHead(204).end();
  }
  return json(response, 200, { ...deviceJson(device), rules: [], alarms: [], lateReadings: 0 });
}

async function takeReadings(request, response, fleet) {
  let readings;
  try {
    const body = JSON.parse(await bodyOf(request));
    readings = Array.isArray(body) ? body : [body];
  } catch {
    return json(response, 400, { type: 'about:blank', title: 'Not JSON', status: 400, code: 'malformed' });
  }
  for (const reading of readings) {
    const { lat, lon } = reading.location ?? reading;
    fleet.record({ deviceId: reading.deviceId, temperature: reading.temperature, lat, lon, at: reading.at ? Date.parse(reading.at) : Date.now() }, false);
  }
  return json(response, 202, { accepted: readings.length, rejected: [] });
}

async function bodyOf(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}

async function serveFile(path, response) {
  const name = path === '/' ? 'index.html' : normalize(path).replace(/^[/.]+/, '');
  try {
    const content = await readFile(join(DIST, name));
    response.writeHead(200, {
      'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'cache-control': name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
    response.end(content);
  } catch {
    json(response, 404, { type: 'about:blank', title: 'Not found', status: 404, code: 'not_found' });
  }
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
  response.end(JSON.stringify(body));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '17301' }, devices: { type: 'string', default: '200' },
      interval: { type: 'string', default: '1000' }, empty: { type: 'boolean', default: false },
    },
  });
  const devices = values.empty ? 0 : Number(values.devices);
  const { url } = await startStandIn({ port: Number(values.port), devices, interval: Number(values.interval) });
  console.log(`STAND-IN for the Fieldwatch server (simulated, stores nothing) on ${url}, ${devices} devices`);
}
