import { expect, test } from 'vitest';
import { Fleet } from '../fleet/fleet';
import { mercatorX, mercatorY } from '../fleet/mercator';
import { boxAround, nearest, trailLine } from './view';

function fleetAt(...places: [lat: number, lon: number][]): Fleet {
  const fleet = new Fleet();
  places.forEach(([lat, lon], n) => fleet.put(fleet.slotOf(`d${n}`), 0, lat * 1e7, lon * 1e7, 0, 0));
  return fleet;
}

test('no devices have no box', () => {
  expect(boxAround(new Fleet())).toBeNull();
});
test('a box holds all of a few devices', () => {
  expect(boxAround(fleetAt([50, 10], [40, -3], [60, 25]))).toEqual([-3, 40, 25, 60]);
});
test('a fleet around the antimeridian is one fleet', () => {
  expect(boxAround(fleetAt([-17, 178], [-18, -179], [-16, 179]))).toEqual([178, -18, 181, -16]);
});
test('a few stray positions among many do not count', () => {
  const [west, , east] = boxAround(fleetAt(...Array.from({ length: 200 }, (_, n): [number, number] => [50, 10 + n / 100]), [0, 0])) ?? [];
  expect(west).toBeGreaterThan(9);
  expect(east).toBeLessThan(13);
});

test('the nearest device within reach is found, also over the edge of the world', () => {
  const fleet = fleetAt([0, 179.9], [10, 20]);
  expect(nearest(fleet, mercatorX(20.1), mercatorY(10), 0.01)).toBe(1);
  expect(nearest(fleet, mercatorX(-179.9), mercatorY(0), 0.01)).toBe(0);
  expect(nearest(fleet, mercatorX(180.1), mercatorY(0), 0.01)).toBe(0);
  expect(nearest(fleet, mercatorX(90), mercatorY(0), 0.01)).toBe(-1);
});
test('what a filter leaves out cannot be picked', () => {
  const fleet = fleetAt([10, 20]);
  fleet.dim(0, true);
  expect(nearest(fleet, mercatorX(20), mercatorY(10), 0.01)).toBe(-1);
});

test('a trail crosses the antimeridian without a leap, and names each place once', () => {
  const point = (lon: number): { at: string; temperature: number; lat: number; lon: number } => ({ at: '', temperature: 0, lat: 1, lon });
  expect(trailLine([point(179), point(179), point(-179), point(178)])).toEqual([
    [179, 1],
    [181, 1],
    [178, 1],
  ]);
});
