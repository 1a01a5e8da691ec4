import type { DeviceEvent, Location } from '../api/types';
import { distance, metres, place, temperature, temperatureExact } from './format';

export type Tone = 'neutral' | 'warmer' | 'colder' | 'moved' | 'quiet' | 'alarm' | 'good';

/** An event in the words of people, with its exact values. */
export interface EventWords {
  title: string;
  detail: string;
  tone: Tone;
}

/** An event of a type that this page does not know yet is shown by its name, taken apart into words. */
export function eventWords(event: DeviceEvent): EventWords {
  const words = KNOWN[event.type];
  return words ? words(event) : { title: inWords(event.type), detail: '', tone: 'neutral' };
}

const KNOWN: Record<string, (event: DeviceEvent) => EventWords> = {
  DeviceHasBeenCreated: (e) => ({
    title: 'First reading',
    detail: `${exact(e.temperature)} at ${where(e.location)}`,
    tone: 'good',
  }),
  DeviceTemperatureHasIncreased: (e) => ({
    title: `Warmer by ${difference(e)}`,
    detail: `${exact(e.notifiedTemperature)} → ${exact(e.temperature)}`,
    tone: 'warmer',
  }),
  DeviceTemperatureHasDecreased: (e) => ({
    title: `Colder by ${difference(e)}`,
    detail: `${exact(e.notifiedTemperature)} → ${exact(e.temperature)}`,
    tone: 'colder',
  }),
  SimilarDeviceTemperatureWasTraced: (e) => ({
    title: 'Similar temperature',
    detail: `${exact(e.previousTemperature)} → ${exact(e.temperature)}, last notified ${exact(e.notifiedTemperature)}`,
    tone: 'neutral',
  }),
  DeviceLocationHasChanged: (e) => ({
    title: `Moved ${travelled(e.notifiedLocation, e.location)}`,
    detail: `to ${where(e.location)}`,
    tone: 'moved',
  }),
  DeviceLocationHasChangedToAVeryCloseLocation: (e) => ({
    title: `Moved slightly, ${travelled(e.previousLocation, e.location)}`,
    detail: `to ${where(e.location)}`,
    tone: 'neutral',
  }),
  DeviceHasGoneSilent: (e) => ({ title: 'Went silent', detail: `last seen ${text(e.lastSeen)}`, tone: 'quiet' }),
  DeviceIsBack: (e) => ({ title: 'Is back', detail: `was silent since ${text(e.silentSince)}`, tone: 'good' }),
  DeviceHasBeenForgotten: () => ({ title: 'Forgotten', detail: '', tone: 'quiet' }),
  DeviceHasBeenDescribed: (e) => ({
    title: 'Description edited',
    detail: [e.name === null ? 'no name' : `“${text(e.name)}”`, ...(Array.isArray(e.labels) ? e.labels.map(text) : [])].join(' · '),
    tone: 'neutral',
  }),
  DeviceHasLeftWatchingZone: (e) => ({ title: `Left zone ${text(e.zoneName)}`, detail: `at ${where(e.location)}`, tone: 'alarm' }),
  DeviceHasEnteredWatchingZone: (e) => ({ title: `Entered zone ${text(e.zoneName)}`, detail: `at ${where(e.location)}`, tone: 'good' }),
  DeviceTemperatureIsOutOfRange: (e) => ({
    title: `Out of range ${text(e.rangeName)}`,
    detail: `${exact(e.temperature)}, allowed ${limits(e)}`,
    tone: 'alarm',
  }),
  DeviceTemperatureIsBackInRange: (e) => ({
    title: `Back in range ${text(e.rangeName)}`,
    detail: `${exact(e.temperature)}, allowed ${limits(e)}`,
    tone: 'good',
  }),
  AlarmHasBeenRaised: (e) => ({ title: `Alarm raised (${text(e.severity)})`, detail: `by a ${text(e.ruleKind)} rule`, tone: 'alarm' }),
  AlarmHasBeenAcknowledged: (e) => ({ title: 'Alarm acknowledged', detail: byWhom(e), tone: 'neutral' }),
  AlarmHasBeenSnoozed: (e) => ({ title: 'Alarm snoozed', detail: byWhom(e), tone: 'neutral' }),
  AlarmHasBeenCleared: (e) => ({ title: 'Alarm cleared', detail: byWhom(e), tone: 'good' }),
};

const text = (value: unknown): string => (value === null || value === undefined ? '—' : String(value));
const exact = (value: unknown): string => (typeof value === 'number' ? temperatureExact(value) : '—');

const isLocation = (value: unknown): value is Location =>
  typeof value === 'object' && value !== null && 'lat' in value && 'lon' in value;
const where = (value: unknown): string => (isLocation(value) ? place(value.lat, value.lon) : '—');
const travelled = (from: unknown, to: unknown): string =>
  isLocation(from) && isLocation(to) ? metres(distance(from, to)) : '';

const difference = (e: DeviceEvent): string =>
  typeof e.temperature === 'number' && typeof e.notifiedTemperature === 'number'
    ? temperature(Math.abs(e.temperature - e.notifiedTemperature))
    : '';

function limits(e: DeviceEvent): string {
  if (typeof e.min === 'number' && typeof e.max === 'number') return `${exact(e.min)} to ${exact(e.max)}`;
  return typeof e.min === 'number' ? `at least ${exact(e.min)}` : `at most ${exact(e.max)}`;
}

const byWhom = (e: DeviceEvent): string =>
  [e.by ? `by ${text(e.by)}` : '', e.note ? `“${text(e.note)}”` : ''].filter(Boolean).join(', ');

const inWords = (type: string): string => {
  const words = type.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
};
