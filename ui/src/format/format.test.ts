import { describe, expect, test } from 'vitest';
import type { DeviceEvent } from '../api/types';
import { eventWords } from './events';
import { agoTicking, distance, duration, metres, place, temperature, temperatureExact } from './format';

test('temperatures have one decimal, or all that they have', () => {
  expect(temperature(-4.25)).toMatch(/^\u22124\.[23]\u202f°C$/);
  expect(temperatureExact(48.1234)).toBe('48.1234\u202f°C');
});
test('places say their hemisphere', () => {
  expect(place(-17.71, 178.06)).toBe('17.71000° S, 178.06000° E');
});
test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1_500, '1.5 s'],
  [59_999, '59 s'],
  [120_000, '2 min'],
  [3_600_000, '1 h'],
  [3 * 86_400_000, '3 days'],
  [10 * 365.25 * 86_400_000, '10 years'],
])('%d ms is %s', (ms, words) => {
  expect(duration(ms)).toBe(words);
});
test('what ticks has no tenths', () => {
  expect([0, 2_700, 45_000].map(agoTicking)).toEqual(['just now', '2 s ago', '45 s ago']);
});
test('distances are those of the globe', () => {
  expect(distance({ lat: 0, lon: 0 }, { lat: 0, lon: 1 })).toBeCloseTo(111_195.08, 1);
  expect(distance({ lat: 0, lon: 0 }, { lat: 0, lon: 180 })).toBeCloseTo(Math.PI * 6_371_008.8, 1);
  expect(metres(40.4)).toBe('40 m');
  expect(metres(1_540)).toBe('1.5 km');
});

describe('an event in words', () => {
  const event = (type: string, more: object): DeviceEvent => ({
    type, deviceId: 'a', version: 1, position: 1, at: '', recordedAt: '', readingId: null, ...more,
  });
  test('tells by how much it got warmer since it was last notified', () => {
    expect(eventWords(event('DeviceTemperatureHasIncreased', { temperature: 9, previousTemperature: 8, notifiedTemperature: 5.5 }))).toEqual({
      title: 'Warmer by 3.5\u202f°C', detail: '5.5\u202f°C → 9\u202f°C', tone: 'warmer',
    });
  });
  test('tells how far it moved', () => {
    const words = eventWords(event('DeviceLocationHasChanged', { location: { lat: 0, lon: 1 }, notifiedLocation: { lat: 0, lon: 0 } }));
    expect(words.title).toBe('Moved 111 km');
  });
  test('of an unknown type has its name taken apart', () => {
    expect(eventWords(event('DeviceHasLearntToFly', {})).title).toBe('Device has learnt to fly');
  });
  test.each([
    'DeviceHasBeenCreated', 'DeviceTemperatureHasDecreased', 'SimilarDeviceTemperatureWasTraced', 'DeviceLocationHasChangedToAVeryCloseLocation',
    'DeviceHasGoneSilent', 'DeviceIsBack', 'DeviceHasBeenForgotten', 'DeviceHasBeenDescribed', 'DeviceHasLeftWatchingZone',
    'DeviceHasEnteredWatchingZone', 'DeviceTemperatureIsOutOfRange', 'DeviceTemperatureIsBackInRange', 'AlarmHasBeenRaised',
    'AlarmHasBeenAcknowledged', 'AlarmHasBeenSnoozed', 'AlarmHasBeenCleared',
  ])('%s with nothing in it still has a title', (type) => {
    expect(eventWords(event(type, {})).title.trim()).not.toBe('');
  });
});
