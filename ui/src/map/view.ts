import type { Fleet } from '../fleet/fleet';
import type { TrackPoint } from '../api/types';

export type Box = [west: number, south: number, east: number, north: number];

/**
 * The smallest box around most devices. East may be over 180: a fleet around the antimeridian is one fleet.
 *
 * The widest gap between neighbours around the globe is what the box leaves out. One in fifty may lie outside on each
 * side, so that a stray position does not shrink all others to a dot.
 */
export function boxAround(fleet: Fleet): Box | null {
  const slots: number[] = [];
  for (let slot = 0; slot < fleet.slotsInUse; slot++) if (fleet.ids[slot] !== null) slots.push(slot);
  if (slots.length === 0) return null;
  const lats = slots.map((slot) => (fleet.lat[slot] as number) / 1e7).sort((a, b) => a - b);
  const lons = slots.map((slot) => (fleet.lon[slot] as number) / 1e7).sort((a, b) => a - b);

  let start = 0;
  let widest = (lons[0] as number) + 360 - (lons[lons.length - 1] as number);
  for (let n = 1; n < lons.length; n++) {
    const gap = (lons[n] as number) - (lons[n - 1] as number);
    if (gap > widest) {
      widest = gap;
      start = n;
    }
  }
  const around = [...lons.slice(start), ...lons.slice(0, start).map((lon) => lon + 360)];
  const trim = slots.length >= 50 ? Math.floor(slots.length * 0.02) : 0;
  return [
    around[trim] as number,
    lats[trim] as number,
    around[around.length - 1 - trim] as number,
    lats[lats.length - 1 - trim] as number,
  ];
}

/** The device nearest to a place, within a reach; both in Mercator units. -1 for none. */
export function nearest(fleet: Fleet, x: number, y: number, reach: number): number {
  const { positions, appearance } = fleet;
  const wrapped = x - Math.floor(x);
  let best = -1;
  let bestSquare = reach * reach;
  for (let slot = 0; slot < fleet.slotsInUse; slot++) {
    const look = appearance[slot] as number;
    if (look < 0 || look >= 8) continue;
    let dx = Math.abs((positions[slot * 4] as number) - wrapped);
    if (dx > 0.5) dx = 1 - dx;
    const dy = (positions[slot * 4 + 1] as number) - y;
    const square = dx * dx + dy * dy;
    if (square < bestSquare) {
      bestSquare = square;
      best = slot;
    }
  }
  return best;
}

/** The way of a device as one line, without a leap across the world where it crosses the antimeridian. */
export function trailLine(points: readonly TrackPoint[]): [number, number][] {
  const line: [number, number][] = [];
  let turn = 0;
  for (const [n, point] of points.entries()) {
    const before = points[n - 1];
    if (before) {
      const step = point.lon - before.lon;
      if (step > 180) turn -= 360;
      else if (step < -180) turn += 360;
    }
    const place: [number, number] = [point.lon + turn, point.lat];
    const last = line[line.length - 1];
    if (!last || last[0] !== place[0] || last[1] !== place[1]) line.push(place);
  }
  return line;
}
