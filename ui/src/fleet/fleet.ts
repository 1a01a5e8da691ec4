import type { DeviceSink } from '../stream/frames';
import { mercatorX, mercatorY } from './mercator';
import { STATUSES, type Status } from './status';

/**
 * Every device of the fleet, as columns of numbers, outside of Svelte's reactivity: ten thousand rows change each second.
 *
 * A device has a slot as long as it is known. Slots of devices that have gone are used again. The columns that the map
 * draws are `Float32Array`s that go to the graphics card as they are; `takeDirty` tells which part of them changed.
 */
export class Fleet implements DeviceSink {
  /** By slot; null where the slot is free. */
  readonly ids: (string | null)[] = [];
  /** 0.0001 °C */
  temperature = new Int32Array(0);
  /** 0.0000001° */
  lat = new Int32Array(0);
  lon = new Int32Array(0);
  /** Unix ms */
  at = new Float64Array(0);
  /** Index into `STATUSES`. */
  status = new Uint8Array(0);

  /** Mercator x, y, and the remainders that a 32-bit float loses: without them a device jumps by a metre. */
  positions = new Float32Array(0);
  /** °C */
  celsius = new Float32Array(0);
  /** Index into `STATUSES`, plus `DIMMED` when a filter leaves it out, or `VACANT`. */
  appearance = new Float32Array(0);

  static readonly DIMMED = 8;
  static readonly VACANT = -1;

  /** Grows whenever a device comes or goes, so that orders by id know when they are out of date. */
  membership = 0;
  /** Grows whenever anything changes. */
  revision = 0;

  readonly #slots = new Map<string, number>();
  readonly #free: number[] = [];
  readonly #counts: [number, number, number, number] = [0, 0, 0, 0];
  /** Which snapshot a slot was last part of. */
  #seenIn = new Uint32Array(0);
  #snapshot = 0;
  #dirtyFrom = Number.POSITIVE_INFINITY;
  #dirtyTo = -1;

  get count(): number {
    return this.#slots.size;
  }

  /** Slots are below this. */
  get slotsInUse(): number {
    return this.ids.length;
  }

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  countOf(status: Status): number {
    return this.#counts[STATUSES.indexOf(status)] as number;
  }

  find(deviceId: string): number | undefined {
    return this.#slots.get(deviceId);
  }

  slotOf(deviceId: string): number {
    const known = this.#slots.get(deviceId);
    if (known !== undefined) return known;
    const slot = this.#free.pop() ?? this.ids.length;
    if (slot >= this.temperature.length) this.#grow();
    this.ids[slot] = deviceId;
    this.#slots.set(deviceId, slot);
    this.status[slot] = 0;
    this.#counts[0] += 1;
    this.appearance[slot] = 0;
    this.membership += 1;
    return slot;
  }

  put(slot: number, t: number, lat: number, lon: number, at: number, status: number): void {
    this.temperature[slot] = t;
    this.celsius[slot] = t / 10_000;
    this.at[slot] = at;
    if (this.lat[slot] !== lat || this.lon[slot] !== lon || this.positions[slot * 4] === 0) {
      this.lat[slot] = lat;
      this.lon[slot] = lon;
      this.#place(slot, mercatorX(lon / 1e7), mercatorY(lat / 1e7));
    }
    const before = this.status[slot] as 0 | 1 | 2 | 3;
    const now = (status >= 0 && status <= 3 ? status : 0) as 0 | 1 | 2 | 3;
    if (before !== now) {
      this.#counts[before] -= 1;
      this.#counts[now] += 1;
      this.status[slot] = now;
      const dimmed = (this.appearance[slot] as number) >= Fleet.DIMMED;
      this.appearance[slot] = now + (dimmed ? Fleet.DIMMED : 0);
    }
    this.#seenIn[slot] = this.#snapshot;
    this.#touch(slot);
  }

  remove(deviceId: string): void {
    const slot = this.#slots.get(deviceId);
    if (slot === undefined) return;
    this.#slots.delete(deviceId);
    this.ids[slot] = null;
    this.#free.push(slot);
    this.#counts[this.status[slot] as 0 | 1 | 2 | 3] -= 1;
    this.appearance[slot] = Fleet.VACANT;
    this.positions[slot * 4] = 0;
    this.membership += 1;
    this.#touch(slot);
  }

  /** From here on every device that `put` names is part of the new snapshot. */
  beginSnapshot(): void {
    this.#snapshot += 1;
  }

  /** What the snapshot did not name went while we were away. */
  endSnapshot(): void {
    for (const [deviceId, slot] of [...this.#slots]) {
      if (this.#seenIn[slot] !== this.#snapshot) this.remove(deviceId);
    }
  }

  clear(): void {
    for (const deviceId of [...this.#slots.keys()]) this.remove(deviceId);
  }

  dim(slot: number, dimmed: boolean): void {
    const now = (this.status[slot] as number) + (dimmed ? Fleet.DIMMED : 0);
    if (this.ids[slot] === null || this.appearance[slot] === now) return;
    this.appearance[slot] = now;
    this.#touch(slot);
  }

  isDimmed(slot: number): boolean {
    return (this.appearance[slot] as number) >= Fleet.DIMMED;
  }

  /** The slots whose columns changed since the last call, or null when none did. */
  takeDirty(): { from: number; to: number } | null {
    if (this.#dirtyTo < 0) return null;
    const dirty = { from: this.#dirtyFrom, to: this.#dirtyTo };
    this.#dirtyFrom = Number.POSITIVE_INFINITY;
    this.#dirtyTo = -1;
    return dirty;
  }

  #touch(slot: number): void {
    if (slot < this.#dirtyFrom) this.#dirtyFrom = slot;
    if (slot > this.#dirtyTo) this.#dirtyTo = slot;
    this.revision += 1;
  }

  #place(slot: number, x: number, y: number): void {
    const p = slot * 4;
    this.positions[p] = x;
    this.positions[p + 1] = y;
    this.positions[p + 2] = x - (this.positions[p] as number);
    this.positions[p + 3] = y - (this.positions[p + 1] as number);
  }

  #grow(): void {
    const capacity = Math.max(1024, this.temperature.length * 2);
    const into = <T extends { set(source: T): void }>(larger: T, source: T): T => {
      larger.set(source);
      return larger;
    };
    this.temperature = into(new Int32Array(capacity), this.temperature);
    this.lat = into(new Int32Array(capacity), this.lat);
    this.lon = into(new Int32Array(capacity), this.lon);
    this.at = into(new Float64Array(capacity), this.at);
    this.status = into(new Uint8Array(capacity), this.status);
    this.positions = into(new Float32Array(capacity * 4), this.positions);
    this.celsius = into(new Float32Array(capacity), this.celsius);
    this.appearance = into(new Float32Array(capacity).fill(Fleet.VACANT), this.appearance);
    this.#seenIn = into(new Uint32Array(capacity), this.#seenIn);
  }
}
