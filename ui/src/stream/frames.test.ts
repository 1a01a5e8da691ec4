import { describe, expect, test } from 'vitest';
import { Fleet } from '../fleet/fleet';
import { FrameDecoder, FrameError, parseColumns, parseHello } from './frames';

/** The message of CONTRACT §6, with what a case changes. */
const message = (changes: Record<string, unknown> = {}): string =>
  JSON.stringify({
    position: 7,
    ids: ['a'],
    i: [0],
    t: [485_000],
    lat: [385_698_000],
    lon: [456_974_000],
    at: [1_767_225_600_000],
    s: [0],
    ...changes,
  });

function shown(fleet: Fleet, id: string): Record<string, number> | null {
  const slot = fleet.find(id);
  if (slot === undefined) return null;
  return {
    t: fleet.temperature[slot] as number,
    lat: fleet.lat[slot] as number,
    lon: fleet.lon[slot] as number,
    at: fleet.at[slot] as number,
    s: fleet.status[slot] as number,
  };
}

function decoded(...messages: string[]): Fleet {
  const fleet = new Fleet();
  const decoder = new FrameDecoder(fleet);
  for (const text of messages) decoder.apply(parseColumns(text));
  return fleet;
}

describe('a hello', () => {
  test('gives log and position', () => {
    expect(parseHello('{"logId":"x","position":3}')).toEqual({ logId: 'x', position: 3 });
  });
  test('of a store without positions gives null', () => {
    expect(parseHello('{"logId":"x","position":null}').position).toBeNull();
  });
  test('without a log is an error', () => {
    expect(() => parseHello('{}')).toThrow(FrameError);
  });
});

describe('columns', () => {
  test('are read as they are written', () => {
    const fleet = decoded(message());
    expect(shown(fleet, 'a')).toEqual({ t: 485_000, lat: 385_698_000, lon: 456_974_000, at: 1_767_225_600_000, s: 0 });
    expect(fleet.celsius[fleet.find('a') as number]).toBe(48.5);
  });
  test('that are missing are empty', () => {
    expect(parseColumns('{"position":1}')).toMatchObject({ ids: [], i: [], gone: [], last: false });
  });
  test('of different lengths are an error', () => {
    expect(() => parseColumns(message({ t: [] }))).toThrow('column t has 0 entries for 1 devices');
  });
  test.each(['', '[]', 'null', '{"ids":5}', '{"position":'])('that are %j are an error', (text) => {
    expect(() => parseColumns(text)).toThrow(FrameError);
  });
});

describe('numbers', () => {
  test('follow the order in which ids appear, over all messages of a connection', () => {
    const fleet = decoded(
      message({ ids: ['a', 'b'], i: [1, 0], t: [1, 2], lat: [0, 0], lon: [0, 0], at: [1, 1], s: [0, 0] }),
      message({ ids: ['c'], i: [2, 1], t: [3, 4], lat: [0, 0], lon: [0, 0], at: [2, 2], s: [0, 2] }),
    );
    expect(['a', 'b', 'c'].map((id) => shown(fleet, id)?.t)).toEqual([2, 4, 3]);
    expect(fleet.countOf('silent')).toBe(1);
  });
  test('that were never given are an error', () => {
    expect(() => decoded(message({ ids: [] }))).toThrow('device number 0 was never given an id');
    expect(() => decoded(message({ i: [], t: [], lat: [], lon: [], at: [], s: [], gone: [4] }))).toThrow(FrameError);
  });
  test('start afresh with a new decoder, and the device keeps its slot', () => {
    const fleet = new Fleet();
    new FrameDecoder(fleet).apply(parseColumns(message({ ids: ['x', 'a'], i: [1], t: [1] })));
    const slot = fleet.find('a');
    new FrameDecoder(fleet).apply(parseColumns(message({ ids: ['a'], i: [0], t: [9] })));
    expect(fleet.find('a')).toBe(slot);
    expect(shown(fleet, 'a')?.t).toBe(9);
  });
});

const nothing = { ids: [], i: [], t: [], lat: [], lon: [], at: [], s: [] };

describe('a device that has gone', () => {
  test('is gone', () => {
    const fleet = decoded(message(), message({ ...nothing, gone: [0] }));
    expect(shown(fleet, 'a')).toBeNull();
    expect(fleet.count).toBe(0);
  });
  test('comes back under its old number', () => {
    expect(shown(decoded(message(), message({ ...nothing, gone: [0] }), message({ ids: [], t: [5] })), 'a')?.t).toBe(5);
  });
  test('and reported again before the frame was made is there, under its new number', () => {
    expect(shown(decoded(message(), message({ ids: ['a'], i: [1], t: [6], gone: [0] })), 'a')?.t).toBe(6);
  });
  test('does not take another device with it that got its slot', () => {
    const fleet = decoded(
      message(),
      message({ ...nothing, gone: [0] }),
      message({ ids: ['b'], i: [1], t: [7] }),
      message({ ids: [], i: [0], t: [8] }),
    );
    expect([shown(fleet, 'a')?.t, shown(fleet, 'b')?.t]).toEqual([8, 7]);
  });
});

test('an id that is HTML is kept as the text it is', () => {
  const id = '<img src=x onerror=alert(1)>';
  expect(decoded(message({ ids: [id] })).ids).toContain(id);
});
