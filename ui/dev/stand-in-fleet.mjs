// The fleet of the stand-in server: devices that wander around cities, and just enough of the rules of the real
// service for the page to have something to show. It keeps everything in memory and forgets it at the end.

const CITIES = [
  [52.52, 13.4], [48.86, 2.35], [51.5, -0.13], [40.42, -3.7], [45.46, 9.19], [52.23, 21.0], [59.33, 18.06], [41.01, 28.98],
  [50.08, 14.43], [47.5, 19.04], [53.55, 9.99], [48.14, 11.58], [43.3, 5.37], [41.39, 2.17], [55.68, 12.57], [60.17, 24.94],
  [38.72, -9.14], [44.43, 26.1], [37.98, 23.73], [53.35, -6.26], [50.45, 30.52], [46.2, 6.15], [40.71, -74.0], [-33.87, 151.2],
  [35.68, 139.69], [-17.71, 178.06], [-23.55, -46.63], [1.35, 103.82],
];
const EVENTS_KEPT = 200;
const POINTS_KEPT = 2_000;
const rounded = (value, decimals) => Number(value.toFixed(decimals));

export class StandInFleet {
  devices = new Map();
  position = 0;
  logId = `stand-in-${process.pid}-${Date.now()}`;
  /** Called with a device after each change, and with a device that has gone. */
  onChange = () => {};
  onGone = () => {};

  populate(count) {
    const now = Date.now();
    for (let n = 0; n < count; n++) {
      const id = n === 0 ? '<img src=x onerror=alert(1)>' : `AL-${String(n).padStart(4, '0')}`;
      const [lat, lon] = CITIES[n % (n % 3 ? 22 : CITIES.length)];
      const spread = () => (Math.random() + Math.random() + Math.random() - 1.5) * 2.6;
      const start = { t: 4 + Math.random() * 10 + (n % 9 === 0 ? 14 : 0) + (n % 5 === 0 ? -20 : 0), lat: lat + spread(), lon: lon + spread() * 1.5 };
      // A little past, so that charts and trails are not empty; without it ten thousand devices would take long.
      const past = count > 1_000 ? 0 : 90;
      let here = start;
      for (let step = past; step >= 0; step--) {
        this.record({ deviceId: id, temperature: rounded(here.t, 2), lat: rounded(here.lat, 5), lon: rounded(here.lon, 5), at: now - step * 20_000 });
        here = this.#wandered(here, this.devices.get(id), 20);
      }
      const device = this.devices.get(id);
      if (n % 31 === 4) device.status = 1;
      if (n % 23 === 7) this.goSilent(device);
      if (n % 41 === 11) device.status = 3;
      if (n % 6 === 2) device.name = `Reefer truck ${n}`;
      if (n % 4 === 0) device.labels = ['cold-chain', n % 8 ? 'north' : 'south'];
    }
  }

  /** Lets the given share of the fleet report. */
  step(share) {
    for (const device of this.devices.values()) {
      if (device.status === 1 || device.status === 2 || !device.simulated || Math.random() > share) continue;
      const { t, lat, lon } = this.#wandered({ t: device.temperature, lat: device.lat, lon: device.lon }, device, 1);
      this.record({ deviceId: device.id, temperature: rounded(t, 2), lat: rounded(lat, 5), lon: rounded(lon, 5), at: Date.now() });
    }
  }

  record({ deviceId, temperature, lat, lon, at }, simulated = true) {
    let device = this.devices.get(deviceId);
    if (!device) {
      device = { id: deviceId, name: null, labels: [], status: 0, version: 0, events: [], track: [], heading: Math.random() * 6.28, notified: { temperature, lat, lon }, simulated };
      this.devices.set(deviceId, device);
      Object.assign(device, { temperature, lat, lon, at });
      this.#raise(device, 'DeviceHasBeenCreated', at, { temperature, location: { lat, lon } });
    } else {
      if (temperature !== device.temperature) {
        const less = Math.abs(temperature - device.notified.temperature) <= 2;
        const type = less ? 'SimilarDeviceTemperatureWasTraced' : temperature < device.notified.temperature ? 'DeviceTemperatureHasDecreased' : 'DeviceTemperatureHasIncreased';
        this.#raise(device, type, at, { temperature, previousTemperature: device.temperature, notifiedTemperature: device.notified.temperature, location: { lat, lon } });
        if (!less) device.notified.temperature = temperature;
      }
      if (lat !== device.lat || lon !== device.lon) {
        const near = Math.hypot(lat - device.notified.lat, lon - device.notified.lon) < 0.009;
        this.#raise(device, near ? 'DeviceLocationHasChangedToAVeryCloseLocation' : 'DeviceLocationHasChanged', at, {
          location: { lat, lon }, previousLocation: { lat: device.lat, lon: device.lon },
          notifiedLocation: { lat: device.notified.lat, lon: device.notified.lon }, temperature,
        });
        if (!near) Object.assign(device.notified, { lat, lon });
      }
      Object.assign(device, { temperature, lat, lon, at });
      if (device.status === 2) device.status = 0;
    }
    device.track.push({ at, temperature, lat, lon });
    if (device.track.length > POINTS_KEPT) device.track.shift();
    this.onChange(device);
  }

  goSilent(device) {
    device.status = 2;
    this.#raise(device, 'DeviceHasGoneSilent', Date.now(), { lastSeen: new Date(device.at).toISOString() });
    this.onChange(device);
  }

  describe(device, { name, labels }) {
    if (name !== undefined) device.name = name;
    if (labels !== undefined) device.labels = labels;
    this.#raise(device, 'DeviceHasBeenDescribed', Date.now(), { name: device.name, labels: device.labels });
  }

  forget(device) {
    this.devices.delete(device.id);
    this.position += 1;
    this.onGone(device);
  }

  #raise(device, type, at, more) {
    device.version += 1;
    this.position += 1;
    const time = new Date(at).toISOString();
    device.events.unshift({ type, deviceId: device.id, version: device.version, position: this.position, at: time, recordedAt: time, readingId: null, ...more });
    if (device.events.length > EVENTS_KEPT) device.events.pop();
  }

  #wandered({ t, lat, lon }, device, seconds) {
    const heading = (device.heading += (Math.random() - 0.5) * 0.5);
    const step = 0.00035 * seconds;
    return {
      t: t + (Math.random() - 0.5) * 0.25 * Math.sqrt(seconds) + (Math.random() < 0.01 ? (Math.random() - 0.5) * 5 : 0),
      lat: Math.max(-80, Math.min(80, lat + Math.cos(heading) * step)),
      lon: ((lon + Math.sin(heading) * step * 1.5 + 540) % 360) - 180,
    };
  }
}
