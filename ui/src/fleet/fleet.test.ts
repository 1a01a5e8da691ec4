import { expect, test } from 'vitest';
import { Fleet } from './fleet';
import { STATUSES } from './status';

const put = (fleet: Fleet, id: string, values: { t?: number; lat?: number; lon?: number; at?: number; s?: number } = {}): number => {
  const slot = fleet.slotOf(id);
  fleet.put(slot, values.t ?? 0, values.lat ?? 0, values.lon ?? 0, values.at ?? 0, values.s ?? 0);
  return slot;
};

test('counts by status equal those of the columns, whatever happens', () => {
  const fleet = new Fleet();
  let seed = 42;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  for (let step = 0; step < 20_000; step++) {
    const id = `d${random(300)}`;
    if (random(4) === 0) fleet.remove(id);
    else put(fleet, id, { s: random(4) });
  }
  const there = fleet.ids.flatMap((id, slot) => (id === null ? [] : [fleet.status[slot] as number]));
  expect(fleet.count).toBe(there.length);
  STATUSES.forEach((status, n) => expect(fleet.countOf(status)).toBe(there.filter((s) => s === n).length));
});

test('a slot that is used again shows nothing of the device before', () => {
  const fleet = new Fleet();
  const slot = put(fleet, 'a', { s: 3, lat: 10, lon: 10 });
  fleet.dim(slot, true);
  fleet.remove('a');
  expect(fleet.appearance[slot]).toBe(Fleet.VACANT);
  expect(put(fleet, 'b')).toBe(slot);
  expect(fleet.appearance[slot]).toBe(0);
  expect(fleet.countOf('alarm')).toBe(0);
});

test('positions keep what a 32-bit float would lose', () => {
  const fleet = new Fleet();
  const slot = put(fleet, 'a', { lat: 525_200_001, lon: 134_050_003 });
  const x = (fleet.positions[slot * 4] as number) + (fleet.positions[slot * 4 + 2] as number);
  expect(Math.abs(x - (13.4050003 + 180) / 360)).toBeLessThan(1e-13);
  expect(Math.abs((fleet.positions[slot * 4] as number) - (13.4050003 + 180) / 360)).toBeGreaterThan(1e-10);
});

test('at null island a device has its place too', () => {
  const fleet = new Fleet();
  const slot = put(fleet, 'a', { lat: 0, lon: 0 });
  expect([...fleet.positions.subarray(slot * 4, slot * 4 + 2)]).toEqual([0.5, 0.5]);
});

test('the poles are drawn at the edge of the map, not at infinity', () => {
  const fleet = new Fleet();
  const north = put(fleet, 'n', { lat: 900_000_000 });
  const south = put(fleet, 's', { lat: -900_000_000 });
  expect(fleet.positions[north * 4 + 1]).toBeCloseTo(0, 5);
  expect(fleet.positions[south * 4 + 1]).toBeCloseTo(1, 5);
});

test('a new snapshot leaves only what it names', () => {
  const fleet = new Fleet();
  put(fleet, 'old');
  put(fleet, 'both');
  fleet.beginSnapshot();
  put(fleet, 'both');
  put(fleet, 'new');
  fleet.endSnapshot();
  expect(fleet.ids.filter((id) => id !== null).sort()).toEqual(['both', 'new']);
});

test('the changed part is told once', () => {
  const fleet = new Fleet();
  for (let n = 0; n < 10; n++) put(fleet, `d${n}`);
  fleet.takeDirty();
  put(fleet, 'd3', { t: 1 });
  put(fleet, 'd7', { t: 1 });
  expect(fleet.takeDirty()).toEqual({ from: 3, to: 7 });
  expect(fleet.takeDirty()).toBeNull();
});

test('growing keeps all values', () => {
  const fleet = new Fleet();
  for (let n = 0; n < 5_000; n++) put(fleet, `d${n}`, { t: n, at: n });
  for (const n of [0, 1_023, 1_024, 4_999]) {
    const slot = fleet.find(`d${n}`) as number;
    expect([fleet.temperature[slot], fleet.at[slot]]).toEqual([n, n]);
  }
});
