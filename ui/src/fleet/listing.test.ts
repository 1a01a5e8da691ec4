import { expect, test } from 'vitest';
import { Fleet } from './fleet';
import { Listing, type Wanted } from './listing';

const everything: Wanted = {
  query: '',
  statuses: new Set(),
  sort: 'deviceId',
  descending: false,
  nameOf: () => null,
  alsoFound: new Set(),
};

function fleetOf(...devices: [id: string, t: number, at: number, s: number][]): Fleet {
  const fleet = new Fleet();
  for (const [id, t, at, s] of devices) fleet.put(fleet.slotOf(id), t, 0, 0, at, s);
  return fleet;
}

const fleet = fleetOf(['truck-10', 30, 3, 0], ['truck-9', 10, 1, 2], ['Box', 20, 2, 3]);

function listed(changes: Partial<Wanted>): (string | null | undefined)[] {
  const listing = new Listing();
  listing.refresh(fleet, { ...everything, ...changes });
  return listing.order.map((slot) => fleet.ids[slot]);
}

test('ids are sorted as people count', () => {
  expect(listed({})).toEqual(['Box', 'truck-9', 'truck-10']);
});
test('the hottest come first when asked for', () => {
  expect(listed({ sort: 'temperature', descending: true })).toEqual(['truck-10', 'Box', 'truck-9']);
});
test('the longest unseen come first when asked for', () => {
  expect(listed({ sort: 'lastSeen' })).toEqual(['truck-9', 'Box', 'truck-10']);
});
test('a search finds ids in any case, names, and what the server found', () => {
  expect(listed({ query: 'BOX' })).toEqual(['Box']);
  expect(listed({ query: 'harbour', nameOf: (id) => (id === 'truck-9' ? 'Harbour van' : null) })).toEqual(['truck-9']);
  expect(listed({ query: 'cold', alsoFound: new Set(['truck-10']) })).toEqual(['truck-10']);
});
test('statuses add up, and narrow a search', () => {
  expect(listed({ statuses: new Set(['silent', 'alarm']) })).toEqual(['Box', 'truck-9']);
  expect(listed({ statuses: new Set(['silent']), query: 'truck' })).toEqual(['truck-9']);
});
test('what is left out is dimmed on the map, and comes back', () => {
  const listing = new Listing();
  listing.refresh(fleet, { ...everything, query: 'box' });
  expect(fleet.isDimmed(fleet.find('truck-9') as number)).toBe(true);
  listing.refresh(fleet, everything);
  expect(fleet.isDimmed(fleet.find('truck-9') as number)).toBe(false);
});
