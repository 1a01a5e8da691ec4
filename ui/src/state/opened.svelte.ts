import { ApiError, readDevice, readEvents, readTrack } from '../api/client';
import type { Device, DeviceEvent, TrackPoint } from '../api/types';
import type { Fleet } from '../fleet/fleet';

export type Span = 'all' | '1h' | '24h' | '7d';
export const SPANS: Record<Span, number | null> = { '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000, all: null };

/** The device that is open: read once, then kept current from the stream. */
export class OpenedDevice {
  static readonly MOST_POINTS = 1_000;
  static readonly MOST_EVENTS = 60;
  static readonly EVENTS_EVERY_MS = 2_000;

  device = $state.raw<Device | null>(null);
  events = $state.raw<DeviceEvent[]>([]);
  /** Of the chosen span, oldest first; grows as the device reports. */
  track = $state.raw<TrackPoint[]>([]);
  downsampled = $state(false);
  span = $state<Span>('all');
  loading = $state(true);
  problem = $state<string | null>(null);

  #closed = false;
  #eventsReadMs = 0;
  #eventsWanted = false;
  #lastAt = -1;
  #trackRead = 0;

  constructor(
    readonly deviceId: string,
    private readonly fleet: Fleet,
    private readonly tell: { trackRead(points: readonly TrackPoint[]): void; moved(lon: number, lat: number): void },
  ) {}

  /** Reads everything again: at first, and after the connection was lost for a while. */
  async load(): Promise<void> {
    this.problem = null;
    this.#lastAt = this.#slotAt();
    const outcomes = await Promise.allSettled([this.readDevice(), this.#readEvents(), this.readTrack()]);
    if (this.#closed) return;
    this.loading = false;
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) this.problem = wordsOf(failed.reason);
  }

  async readDevice(): Promise<void> {
    const device = await readDevice(this.deviceId);
    if (!this.#closed) this.device = device;
  }

  async showSpan(span: Span): Promise<void> {
    this.span = span;
    try {
      await this.readTrack();
    } catch (error) {
      this.problem = wordsOf(error);
    }
  }

  async readTrack(): Promise<void> {
    const reading = ++this.#trackRead;
    const spanMs = SPANS[this.span];
    const newest = this.#slotAt();
    const from = spanMs === null ? null : new Date((newest > 0 ? newest : Date.now()) - spanMs);
    const { points, downsampled } = await readTrack(this.deviceId, OpenedDevice.MOST_POINTS, from);
    if (this.#closed || reading !== this.#trackRead) return;
    // The history also keeps late readings, in the order they came in.
    this.track = [...points].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    this.downsampled = downsampled;
    this.tell.trackRead(this.track);
  }

  /** Called after each frame: takes over what this device has done since. */
  follow(nowMs: number): void {
    const slot = this.fleet.find(this.deviceId);
    if (slot === undefined) return;
    const at = this.fleet.at[slot] as number;
    if (at > this.#lastAt) {
      this.#lastAt = at;
      const lat = (this.fleet.lat[slot] as number) / 1e7;
      const lon = (this.fleet.lon[slot] as number) / 1e7;
      const temperature = (this.fleet.temperature[slot] as number) / 1e4;
      const grown = [...this.track, { at: new Date(at).toISOString(), temperature, lat, lon }];
      this.track = grown.length > OpenedDevice.MOST_POINTS * 2 ? grown.slice(-OpenedDevice.MOST_POINTS) : grown;
      this.tell.moved(lon, lat);
      this.#eventsWanted = true;
    }
    if (this.#eventsWanted && nowMs - this.#eventsReadMs > OpenedDevice.EVENTS_EVERY_MS) {
      this.#readEvents().catch(() => {
        // The list stays as it is; the next frame asks again.
      });
    }
  }

  close(): void {
    this.#closed = true;
  }

  async #readEvents(): Promise<void> {
    this.#eventsReadMs = Date.now();
    this.#eventsWanted = false;
    const events = await readEvents(this.deviceId, OpenedDevice.MOST_EVENTS);
    if (!this.#closed) this.events = events;
  }

  #slotAt(): number {
    const slot = this.fleet.find(this.deviceId);
    return slot === undefined ? -1 : (this.fleet.at[slot] as number);
  }
}

const wordsOf = (error: unknown): string =>
  error instanceof ApiError && error.status === 404 ? 'This device is not known here.' : String((error as Error).message ?? error);
