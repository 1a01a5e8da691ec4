/**
 * The colours of temperatures: from deep blue over teal and yellow to red.
 *
 * The stops are mixed in OKLab, where equal steps look equally large, so the eye reads no edge where the numbers have
 * none. Blue, yellow and red stay apart for people who do not see red and green apart.
 */
const STOPS = ['#3b4cc0', '#2f7fd6', '#2fb0c7', '#6cc59a', '#d9cf5a', '#f5a742', '#e8663c', '#b8202f'] as const;

export const STEPS = 256;

export type Rgb = readonly [number, number, number];

/** From 0 for the coldest to 1 for the hottest. */
export function colourAt(fraction: number): Rgb {
  const place = Math.max(0, Math.min(1, fraction)) * (STOPS.length - 1);
  const below = Math.min(Math.floor(place), STOPS.length - 2);
  const from = LAB_STOPS[below] as Rgb;
  const to = LAB_STOPS[below + 1] as Rgb;
  const part = place - below;
  return fromOklab([0, 1, 2].map((n) => (from[n] as number) * (1 - part) + (to[n] as number) * part) as unknown as Rgb);
}

export const cssColour = (fraction: number): string => `rgb(${colourAt(fraction).join(' ')})`;

/** One row of RGBA pixels, for the graphics card. */
export function colourRow(): Uint8Array {
  const row = new Uint8Array(STEPS * 4);
  for (let n = 0; n < STEPS; n++) row.set([...colourAt(n / (STEPS - 1)), 255], n * 4);
  return row;
}

/** The range of temperatures, in °C, that the colours span. */
export interface Domain {
  readonly min: number;
  readonly max: number;
}

export const fractionIn = (domain: Domain, celsius: number): number =>
  (celsius - domain.min) / (domain.max - domain.min);

/**
 * A domain with round ends around most of the temperatures.
 *
 * The outermost hundredth on each side does not stretch it: one broken sensor would make all others look alike.
 * `current` stays while it still fits, so that colours keep their meaning from one minute to the next.
 */
export function domainFor(sorted: Float32Array, current: Domain | null): Domain {
  if (sorted.length === 0) return current ?? { min: -20, max: 40 };
  const low = sorted[Math.floor((sorted.length - 1) * 0.01)] as number;
  const high = sorted[Math.ceil((sorted.length - 1) * 0.99)] as number;
  if (current && low >= current.min && high <= current.max && high - low > (current.max - current.min) * 0.4) {
    return current;
  }
  const margin = Math.max(1, (high - low) * 0.08);
  const step = niceStep(high - low + 2 * margin, 12);
  const min = Math.floor((low - margin) / step) * step;
  const max = Math.ceil((high + margin) / step) * step;
  const fitsCurrent = current && min === current.min && max === current.max;
  return fitsCurrent ? current : { min, max };
}

export function ticks(domain: Domain): number[] {
  const step = niceStep(domain.max - domain.min, 5);
  const first = Math.ceil(domain.min / step) * step;
  const out: number[] = [];
  for (let value = first; value <= domain.max + step / 1e6; value += step) out.push(Number(value.toFixed(6)));
  return out;
}

/** 1, 2 or 5 times a power of ten, so that about `parts` of them make the span. */
function niceStep(span: number, parts: number): number {
  const raw = span / parts;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((n) => n * magnitude >= raw) ?? 10;
  return factor * magnitude;
}

const LAB_STOPS: readonly Rgb[] = STOPS.map((hex) => {
  const channel = (from: number): number => Number.parseInt(hex.slice(from, from + 2), 16);
  return toOklab([channel(1), channel(3), channel(5)]);
});

function toOklab(rgb: Rgb): Rgb {
  const [r, g, b] = rgb.map((value) => {
    const v = value / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab([L, a, b]: Rgb): Rgb {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const channels = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return channels.map((v) => {
    const encoded = v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055;
    return Math.round(Math.max(0, Math.min(1, encoded)) * 255);
  }) as unknown as Rgb;
}
