import { readDevicesPage, searchDevices } from '../api/client';
import type { Device } from '../api/types';

/**
 * The names that people gave to devices. The stream does not carry them, so they are read beside it: once after the
 * first snapshot, page by page and no more than a bound, and again for what is searched or opened.
 */
export class Names {
  static readonly MOST_PAGES = 20;
  /** Grows when a name is learnt. */
  revision = $state(0);
  #found = $state.raw<ReadonlySet<string>>(new Set());
  readonly #names = new Map<string, string>();
  #search = 0;

  of(deviceId: string): string | null {
    return this.#names.get(deviceId) ?? null;
  }

  /** Ids that the server found for the current query. */
  get found(): ReadonlySet<string> {
    return this.#found;
  }

  learn(devices: readonly Pick<Device, 'deviceId' | 'name'>[]): void {
    let changed = false;
    for (const { deviceId, name } of devices) {
      if ((this.#names.get(deviceId) ?? null) === name) continue;
      if (name === null) this.#names.delete(deviceId);
      else this.#names.set(deviceId, name);
      changed = true;
    }
    if (changed) this.revision += 1;
  }

  async learnAll(): Promise<void> {
    let cursor: string | null = null;
    for (let page = 0; page < Names.MOST_PAGES; page++) {
      const { devices, nextCursor }: { devices: Device[]; nextCursor: string | null } = await readDevicesPage(cursor);
      this.learn(devices);
      if (nextCursor === null) return;
      cursor = nextCursor;
    }
  }

  /** Asks the server, which also knows names and labels that were not read yet. The last question wins. */
  async search(query: string): Promise<void> {
    const search = ++this.#search;
    if (query.trim() === '') {
      this.#found = new Set();
      return;
    }
    const devices = await searchDevices(query.trim(), 200);
    if (search !== this.#search) return;
    this.learn(devices);
    this.#found = new Set(devices.map(({ deviceId }) => deviceId));
  }
}
