// What a device is and what a reading does to it (CONTRACT §3, "Device"): decide, then fold.

import { compare, decimalOf, parseDecimal, roundHalfEven, textOf } from "./decimal.mjs";
import { distanceKm } from "./great_circle.mjs";
import { COORDINATE_PLACES, DEFAULT_SETTINGS, parseTime, TEMPERATURE_PLACES, timeText } from "./reading.mjs";

const REMEMBERED_READING_IDS = 16;

/** A device nothing is known of yet. */
export function unknownDevice() {
  return {
    version: 0,
    exists: false,
    temperature: null,
    notifiedTemperature: null,
    location: null,
    notifiedLocation: null,
    newestAt: null,
    readingIds: [],
    lateReadings: 0,
    name: null,
    labels: [],
  };
}

/**
 * Decides about one reading and moves the device on.
 *
 * Answers `{outcome, events}`; `outcome` is `duplicate`, `late`, `created` or `accepted`. Events have the form of
 * CONTRACT §3 without `position` and `recordedAt`, which only a store can give.
 */
export function record(device, reading, settings = DEFAULT_SETTINGS) {
  if (reading.readingId !== undefined && device.readingIds.includes(reading.readingId)) {
    return { outcome: "duplicate", events: [] };
  }
  remember(device, reading.readingId);

  const at = reading.at ?? Math.max(reading.receivedAt, device.newestAt ?? 0);
  if (device.exists && at < device.newestAt) {
    device.lateReadings += 1;
    return { outcome: "late", events: [] };
  }

  const created = !device.exists;
  const bodies = created ? [creation(reading)] : changes(device, reading, settings);
  const events = bodies.map(({ type, ...values }) => {
    const event = {
      type,
      deviceId: reading.deviceId,
      version: device.version + 1,
      at: timeText(at),
      readingId: reading.readingId ?? null,
      ...values,
    };
    fold(device, event);
    return event;
  });
  device.newestAt = at;
  return { outcome: created ? "created" : "accepted", events };
}

function remember(device, readingId) {
  if (readingId === undefined) return;
  device.readingIds.push(readingId);
  if (device.readingIds.length > REMEMBERED_READING_IDS) device.readingIds.shift();
}

function creation(reading) {
  return {
    type: "DeviceHasBeenCreated",
    temperature: celsius(reading.temperature),
    location: degrees(reading.location),
  };
}

/** Temperature first, then location; each compared with the state before the reading. */
function changes(device, reading, settings) {
  const bodies = [];
  if (reading.temperature !== device.temperature) {
    bodies.push({
      type: temperatureEvent(reading.temperature, device.notifiedTemperature, settings),
      temperature: celsius(reading.temperature),
      previousTemperature: celsius(device.temperature),
      notifiedTemperature: celsius(device.notifiedTemperature),
      location: degrees(reading.location),
    });
  }
  if (!sameLocation(reading.location, device.location)) {
    bodies.push({
      type: locationEvent(reading.location, device.notifiedLocation, settings),
      location: degrees(reading.location),
      previousLocation: degrees(device.location),
      notifiedLocation: degrees(device.notifiedLocation),
      temperature: celsius(reading.temperature),
    });
  }
  return bodies;
}

function temperatureEvent(now, notified, settings) {
  const difference = { units: now > notified ? now - notified : notified - now, scale: TEMPERATURE_PLACES };
  if (compare(difference, parseDecimal(settings.temperatureThreshold)) <= 0) return "SimilarDeviceTemperatureWasTraced";
  return now < notified ? "DeviceTemperatureHasDecreased" : "DeviceTemperatureHasIncreased";
}

function locationEvent(now, notified, settings) {
  return distanceKm(degrees(now), degrees(notified)) < settings.distanceThresholdKm
    ? "DeviceLocationHasChangedToAVeryCloseLocation"
    : "DeviceLocationHasChanged";
}

/** Applies one stored event. Events that say nothing of the values only move the version on. */
export function fold(device, event) {
  device.version = event.version;
  switch (event.type) {
    case "DeviceHasBeenCreated":
      device.exists = true;
      device.temperature = device.notifiedTemperature = scaledCelsius(event.temperature);
      device.location = device.notifiedLocation = scaledDegrees(event.location);
      break;
    case "DeviceTemperatureHasIncreased":
    case "DeviceTemperatureHasDecreased":
      device.temperature = device.notifiedTemperature = scaledCelsius(event.temperature);
      break;
    case "SimilarDeviceTemperatureWasTraced":
      device.temperature = scaledCelsius(event.temperature);
      break;
    case "DeviceLocationHasChanged":
      device.location = device.notifiedLocation = scaledDegrees(event.location);
      break;
    case "DeviceLocationHasChangedToAVeryCloseLocation":
      device.location = scaledDegrees(event.location);
      break;
    case "DeviceHasBeenDescribed":
      device.name = event.name;
      device.labels = event.labels;
      return;
    case "DeviceHasBeenForgotten":
      Object.assign(device, unknownDevice(), { version: event.version });
      return;
    default:
      return;
  }
  device.newestAt = Math.max(device.newestAt ?? 0, parseTime(event.at));
}

/** What the API shows of a device, as far as readings decide it. */
export function view(device) {
  return {
    temperature: celsius(device.temperature),
    location: degrees(device.location),
    lastSeen: timeText(device.newestAt),
    version: device.version,
  };
}

const sameLocation = (left, right) => left.lat === right.lat && left.lon === right.lon;
const celsius = (units) => Number(textOf(units, TEMPERATURE_PLACES));
const degrees = ({ lat, lon }) => ({
  lat: Number(textOf(lat, COORDINATE_PLACES)),
  lon: Number(textOf(lon, COORDINATE_PLACES)),
});
const scaledCelsius = (number) => roundHalfEven(decimalOf(number), TEMPERATURE_PLACES);
const scaledDegrees = ({ lat, lon }) => ({
  lat: roundHalfEven(decimalOf(lat), COORDINATE_PLACES),
  lon: roundHalfEven(decimalOf(lon), COORDINATE_PLACES),
});
