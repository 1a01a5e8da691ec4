import { beforeEach, describe, expect, test } from 'vitest';
import { Fleet } from '../fleet/fleet';
import { LiveConnection, type Phase, type Stream, type Surroundings } from './connection';

class FakeStream implements Stream {
  onerror: ((event: Event) => void) | null = null;
  closed = false;
  readonly #listeners = new Map<string, (message: { data: string; lastEventId: string }) => void>();
  constructor(readonly url: string) {}
  addEventListener(type: string, listener: (message: { data: string; lastEventId: string }) => void): void {
    this.#listeners.set(type, listener);
  }
  close(): void {
    this.closed = true;
  }
  say(type: string, data: unknown, lastEventId = ''): void {
    this.#listeners.get(type)?.({ data: typeof data === 'string' ? data : JSON.stringify(data), lastEventId });
  }
  breakOff(): void {
    this.onerror?.({} as Event);
  }
}

/** Time that passes when told to. */
class FakeBrowser implements Surroundings {
  streams: FakeStream[] = [];
  now = 1_000_000;
  probes = 0;
  there: { logId: string; position: number | null } | Error = new Error('no answer');
  #timers: { at: number; run: () => void }[] = [];

  open = (url: string): Stream => {
    const stream = new FakeStream(url);
    this.streams.push(stream);
    return stream;
  };
  probe = async (): Promise<{ logId: string; position: number | null }> => {
    this.probes += 1;
    if (this.there instanceof Error) throw this.there;
    return this.there;
  };
  nowMs = (): number => this.now;
  random = (): number => 0.5;
  after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };
  get newest(): FakeStream {
    return this.streams[this.streams.length - 1] as FakeStream;
  }
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.now = Math.max(this.now, due.at);
      due.run();
      await Promise.resolve().then(() => Promise.resolve());
      await Promise.resolve();
    }
    this.now = until;
  }
}

const rows = (ids: string[], position: number): Record<string, unknown> => ({
  position,
  ids,
  i: ids.map((_, n) => n),
  t: ids.map(() => 1),
  lat: ids.map(() => 0),
  lon: ids.map(() => 0),
  at: ids.map(() => 5),
  s: ids.map(() => 0),
});

let browser: FakeBrowser;
let fleet: Fleet;
let phases: Phase[];
let alarms: string[];
let connection: LiveConnection;

beforeEach(() => {
  browser = new FakeBrowser();
  fleet = new Fleet();
  phases = [];
  alarms = [];
  connection = new LiveConnection(fleet, browser, {
    phaseChanged: (phase) => phases.push(phase),
    applied: () => {},
    alarmEvent: (data) => alarms.push(data),
  });
  connection.start();
});

function goLive(ids = ['a'], logId = 'log'): void {
  browser.newest.say('hello', { logId, position: 1 });
  browser.newest.say('snapshot', { ...rows(ids, 1), last: true }, '1');
}
const known = (): string[] => fleet.ids.filter((id) => id !== null);

describe('a new connection', () => {
  test('catches up until the last part of the snapshot, then is live', () => {
    browser.newest.say('hello', { logId: 'log', position: 1 });
    browser.newest.say('snapshot', { ...rows(['a'], 1), last: false });
    expect(connection.phase).toBe('catching-up');
    browser.newest.say('snapshot', { ...rows([], 1), last: true });
    expect(phases).toEqual(['catching-up', 'live']);
  });
  test('without any device is live after a moment even when no snapshot comes', async () => {
    browser.newest.say('hello', { logId: 'log', position: 0 });
    await browser.pass(4_000);
    expect(connection.phase).toBe('live');
  });
  test('asks for no missed alarms', () => {
    expect(browser.newest.url).toBe('/api/v1/stream?form=frames');
  });
});

describe('a broken connection', () => {
  test('keeps what is shown, tries again later and later, up to fifteen seconds', async () => {
    goLive();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      browser.newest.breakOff();
      expect(connection.phase).toBe('offline');
      expect(known()).toEqual(['a']);
      const wait = (connection.nextAttemptMs as number) - browser.now;
      waits.push(wait);
      await browser.pass(wait);
    }
    expect(browser.streams).toHaveLength(9);
    expect(waits.every((wait, n) => n === 0 || wait >= (waits[n - 1] as number))).toBe(true);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(500);
    expect(Math.max(...waits)).toBeLessThanOrEqual(15_000);
  });
  test('is closed, and what it still says is not listened to', () => {
    goLive();
    const old = browser.newest;
    old.breakOff();
    old.say('frame', rows(['ghost'], 2));
    expect(old.closed).toBe(true);
    expect(known()).toEqual(['a']);
  });
  test('resumes with the alarms it missed', async () => {
    goLive();
    browser.newest.say('AlarmHasBeenRaised', { deviceId: 'a' }, '41');
    browser.newest.breakOff();
    await browser.pass(15_000);
    expect(browser.newest.url).toBe('/api/v1/stream?form=frames&since=41');
    expect(alarms).toHaveLength(1);
  });
  test('is tried at once when told to', () => {
    goLive();
    browser.newest.breakOff();
    connection.retryNow();
    expect(browser.streams).toHaveLength(2);
  });
});

describe('after coming back', () => {
  test('devices that went meanwhile are gone', async () => {
    goLive(['a', 'b']);
    browser.newest.breakOff();
    await browser.pass(15_000);
    goLive(['b']);
    expect(known()).toEqual(['b']);
  });
  test('to another log, everything from the old one is dropped at once', async () => {
    goLive(['a']);
    browser.newest.breakOff();
    await browser.pass(15_000);
    browser.newest.say('hello', { logId: 'another', position: 0 });
    expect(known()).toEqual([]);
  });
});

test('a message that makes no sense starts the stream again', () => {
  goLive();
  browser.newest.say('frame', 'not json');
  expect(connection.phase).toBe('offline');
  expect(browser.newest.closed).toBe(true);
});

test('an overrun starts the stream again', () => {
  goLive();
  browser.newest.say('overrun', { resumeFrom: 1 });
  expect(connection.phase).toBe('offline');
});

describe('a fleet at rest', () => {
  test('counts as heard from as long as the log is where we are', async () => {
    goLive();
    browser.there = { logId: 'log', position: 1 };
    await browser.pass(60_000);
    expect(connection.phase).toBe('live');
    expect(browser.now - connection.heardMs).toBeLessThan(10_000);
    expect(browser.streams).toHaveLength(1);
  });
  test('whose log goes on without the stream gets a new stream', async () => {
    goLive();
    browser.there = { logId: 'log', position: 99 };
    await browser.pass(10_000);
    expect(browser.streams.length).toBeGreaterThan(1);
  });
  test('from which nothing answers grows old, and is given up', async () => {
    goLive();
    await browser.pass(12_000);
    expect(browser.now - connection.heardMs).toBeGreaterThan(10_000);
    expect(browser.probes).toBeGreaterThan(0);
    await browser.pass(12_000);
    expect(phases).toContain('offline');
  });
});

test('a paused connection is given back, and resumes with a new stream', () => {
  goLive();
  connection.pause();
  expect(browser.newest.closed).toBe(true);
  connection.resume();
  expect(browser.streams).toHaveLength(2);
});
