// Runs the checker over files: node checker/main.mjs --history F --events F --devices F [--stream F …]
//
// `--devices` is NDJSON of devices as listed by the API, `--stream` NDJSON of a stream capture. Exit 1 on damage.

import { parseArgs } from "node:util";

import { check, describe, isClean } from "./check.mjs";
import { readHistory, readNdjson } from "./history.mjs";

const { values } = parseArgs({
  options: {
    history: { type: "string" },
    events: { type: "string" },
    devices: { type: "string" },
    stream: { type: "string", multiple: true, default: [] },
  },
});
for (const wanted of ["history", "events", "devices"]) {
  if (values[wanted] === undefined) {
    console.error(`--${wanted} FILE is missing`);
    process.exit(2);
  }
}
const report = check({
  readings: readHistory(values.history),
  events: readNdjson(values.events),
  devices: readNdjson(values.devices),
  streams: values.stream.map(readNdjson),
});
console.log(describe(report));
process.exit(isClean(report) ? 0 : 1);
