// A reading as it was written, and what of it is believed (CONTRACT §3, "Reading").

import { compare, parseDecimal, roundHalfEven } from "./decimal.mjs";

export const TEMPERATURE_PLACES = 4;
export const COORDINATE_PLACES = 7;

const MAX_AHEAD_MS = 5 * 60 * 1000;

export const DEFAULT_SETTINGS = Object.freeze({
  temperatureThreshold: "2.0",
  distanceThresholdKm: 1.0,
  temperatureMin: "-100",
  temperatureMax: "100",
});

/**
 * Checks the texts of a reading and gives the values that are kept.
 *
 * `written` holds the numbers as text: `{deviceId, temperature, lat, lon, at?, readingId?}`. `clockMs` is the time
 * of receipt. Answers `{reading}` or `{refused: [field, …]}`, one entry for each bad field.
 */
export function readReading(written, clockMs, settings = DEFAULT_SETTINGS) {
  const refused = [];
  const believe = (field, value) => {
    if (value === null) refused.push(field);
    return value;
  };
  const deviceId = believe("deviceId", deviceIdOf(written.deviceId));
  const temperature = believe("temperature",
    inRange(written.temperature, settings.temperatureMin, settings.temperatureMax, TEMPERATURE_PLACES));
  const lat = believe("lat", inRange(written.lat, "-90", "90", COORDINATE_PLACES));
  const lon = believe("lon", inRange(written.lon, "-180", "180", COORDINATE_PLACES));
  const at = written.at === undefined ? undefined : believe("at", timeOf(written.at, clockMs));
  const readingId = written.readingId === undefined ? undefined : believe("readingId", readingIdOf(written.readingId));

  if (refused.length > 0) return { refused };
  return { reading: { deviceId, temperature, location: { lat, lon }, at, readingId, receivedAt: clockMs } };
}

function deviceIdOf(text) {
  if (typeof text !== "string") return null;
  const bytes = Buffer.byteLength(text, "utf8");
  const allowed = bytes >= 1 && bytes <= 128 && text !== "." && text !== ".." && !/\p{Cc}/u.test(text);
  return allowed ? text : null;
}

function readingIdOf(text) {
  return typeof text === "string" && /^[\x20-\x7e]{1,64}$/.test(text) ? text : null;
}

/** The limits hold for the number as written; only then it is rounded. */
function inRange(text, min, max, places) {
  const decimal = typeof text === "string" ? parseDecimal(text) : null;
  if (decimal === null) return null;
  if (compare(decimal, parseDecimal(min)) < 0 || compare(decimal, parseDecimal(max)) > 0) return null;
  return roundHalfEven(decimal, places);
}

function timeOf(text, clockMs) {
  const ms = parseTime(text);
  return ms === null || ms < 0 || ms > clockMs + MAX_AHEAD_MS ? null : ms;
}

const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/** Unix milliseconds of an RFC 3339 time, finer digits cut off; `null` when it is none. */
export function parseTime(text) {
  const match = RFC_3339.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const ms = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  const utc = new Date(0);
  utc.setUTCFullYear(year, month - 1, day);
  const isRealDay = utc.getUTCMonth() === month - 1 && utc.getUTCDate() === day;
  if (!isRealDay || hour > 23 || minute > 59 || second > 59) return null;
  const offsetMinutes = match[8] === undefined ? 0 : Number(match[9]) * 60 + Number(match[10]);
  const offset = (match[8] === "-" ? -1 : 1) * offsetMinutes * 60_000;
  return utc.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + ms - offset;
}

/** UTC with three decimals and `Z`. */
export function timeText(ms) {
  return new Date(ms).toISOString();
}
