// All devices of one run: the reference for what a server must have after the same readings.

import { record, unknownDevice, view } from "./device.mjs";
import { DEFAULT_SETTINGS, readReading } from "./reading.mjs";

export class Fleet {
  #devices = new Map();
  #settings;

  constructor(settings = DEFAULT_SETTINGS) {
    this.#settings = settings;
  }

  /** Takes one reading as written; answers `{refused}` or `{outcome, events}`. */
  take(written, clockMs) {
    const { reading, refused } = readReading(written, clockMs, this.#settings);
    if (refused !== undefined) return { refused };
    let device = this.#devices.get(reading.deviceId);
    if (device === undefined) this.#devices.set(reading.deviceId, (device = unknownDevice()));
    return record(device, reading, this.#settings);
  }

  device(deviceId) {
    return this.#devices.get(deviceId);
  }

  /** `[deviceId, view]` of each device, ordered by the bytes of the id. */
  views() {
    return [...this.#devices]
      .map(([deviceId, device]) => [deviceId, { ...view(device), lateReadings: device.lateReadings }])
      .sort(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  }
}
