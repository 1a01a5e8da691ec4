/** Numbers and times as people read them. */

const celsius = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const celsiusExact = new Intl.NumberFormat('en', { maximumFractionDigits: 4 });
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** U+2212 is as wide as a digit; a hyphen is not. */
const minus = (text: string): string => text.replace('-', '\u2212');

export const temperature = (value: number): string => `${minus(celsius.format(value))}\u202f°C`;
export const temperatureExact = (value: number): string => `${minus(celsiusExact.format(value))}\u202f°C`;
export const degrees = (value: number): string => minus(celsius.format(value));
export const count = (value: number): string => whole.format(value);

export function place(lat: number, lon: number): string {
  const part = (value: number, plus: string, less: string): string =>
    `${Math.abs(value).toFixed(5)}° ${value < 0 ? less : plus}`;
  return `${part(lat, 'N', 'S')}, ${part(lon, 'E', 'W')}`;
}

/** `just now`, `12 s ago`, `3 min ago`. */
export function ago(ms: number): string {
  if (ms < 1_500) return 'just now';
  return `${duration(ms)} ago`;
}

/** With one unit, as precise as is useful. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 48 * 3_600_000) return `${Math.floor(ms / 3_600_000)} h`;
  if (ms < 730 * 86_400_000) return `${Math.floor(ms / 86_400_000)} days`;
  return `${Math.floor(ms / (365.25 * 86_400_000))} years`;
}

/** `12 s ago` without tenths, for what ticks once a second. */
export function agoTicking(ms: number): string {
  return ms < 1_500 ? 'just now' : `${duration(ms < 10_000 ? Math.floor(ms / 1000) * 1000 : ms).replace('.0', '')} ago`;
}

/** Today's times without the date. */
export function moment(unixMs: number, nowMs: number): string {
  const sameDay = new Date(unixMs).toDateString() === new Date(nowMs).toDateString();
  return (sameDay ? clock : dayAndClock).format(unixMs);
}

/** Great-circle distance in metres on the mean Earth radius. */
export function distance(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const radians = Math.PI / 180;
  const h =
    Math.sin(((b.lat - a.lat) * radians) / 2) ** 2 +
    Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * Math.sin(((b.lon - a.lon) * radians) / 2) ** 2;
  return 2 * 6_371_008.8 * Math.asin(Math.min(1, Math.sqrt(h)));
}

export const metres = (value: number): string =>
  value < 1_000 ? `${Math.round(value)} m` : `${(value / 1_000).toFixed(value < 100_000 ? 1 : 0)} km`;
