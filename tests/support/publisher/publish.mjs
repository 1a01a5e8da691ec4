// Publishes recorded readings as a program of the original system would: to its exchange, in its message format.
//
//   node support/publisher/publish.mjs amqp://user:password@host:5672/vhost FILE.csv[.gz] [--zone Europe/Amsterdam]
//
// Knows nothing of Fieldwatch. Numbers stay as they are written in the file. Every message is confirmed by the broker before the
// program ends with 0; a message that no queue took ends it with 1.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";

import amqp from "amqplib";

const EXCHANGE = "device-events-ex";
const KEY = "device-events-rk";
/** So many messages are on their way before the oldest has to be confirmed. */
const WINDOW = 1_000;

const { positionals: [url, file], values } = parseArgs({ allowPositionals: true, options: { zone: { type: "string", default: "UTC" } } });
if (!url || !file) {
  console.error("usage: publish.mjs AMQP-URL FILE.csv[.gz] [--zone IANA-NAME]");
  process.exit(2);
}

const clock = new Intl.DateTimeFormat("sv-SE", { timeZone: values.zone, dateStyle: "short", timeStyle: "medium" });

/** `2026-01-01 00:00:00`, as the clock on the wall shows it. */
function local(at) {
  return clock.format(new Date(at));
}

function messages() {
  const bytes = readFileSync(file);
  const [header, ...rows] = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8").trim().split("\n");
  if (header !== "at,deviceId,temperature,lat,lon") {
    throw new Error(`${file} has other columns: ${header}`);
  }
  return rows.map((row) => {
    const [at, deviceId, temperature, lat, lon] = row.split(",");
    return `{"At":"${local(at)}","DeviceId":${JSON.stringify(deviceId)},"Temperature":${temperature},"Latitude":${lat},"Longitude":${lon}}`;
  });
}

const connection = await amqp.connect(url);
const channel = await connection.createConfirmChannel();
let returned = 0;
channel.on("return", () => returned += 1);
const bodies = messages();
const started = performance.now();
for (const [sent, body] of bodies.entries()) {
  channel.publish(EXCHANGE, KEY, Buffer.from(body), { mandatory: true, contentType: "application/json" });
  if (sent % WINDOW === WINDOW - 1) {
    await channel.waitForConfirms();
  }
}
await channel.waitForConfirms();
await connection.close();
console.log(JSON.stringify({ published: bodies.length - returned, returned, ms: Math.round(performance.now() - started) }));
process.exitCode = returned > 0 ? 1 : 0;
