import { describeDevice, forgetDevice } from '../api/client';
import { Fleet } from '../fleet/fleet';
import { Listing, type SortKey } from '../fleet/listing';
import { STATUSES, type Status } from '../fleet/status';
import { duration } from '../format/format';
import type { FleetMap } from '../map/fleet-map';
import { type Domain, domainFor } from '../map/scale';
import { browser } from '../stream/browser';
import { LiveConnection, type Phase } from '../stream/connection';
import type { Columns } from '../stream/frames';
import { LagMeter, RateMeter } from '../stream/lag';
import { formatLink, parseLink } from './link';
import { Names } from './names.svelte';
import { notices } from './notices.svelte';
import { OpenedDevice } from './opened.svelte';

/** Figures of the whole, taken twice a second. */
export interface Summary {
  nowMs: number;
  devices: number;
  byStatus: Record<Status, number>;
  perSecond: number;
  lagP95Ms: number | null;
  heardMs: number;
  nextAttemptMs: number | null;
}

/**
 * What the whole page knows. Fast data stays in the fleet's columns; what Svelte renders is taken from them twice a
 * second, so that the cost of rendering does not grow with the rate of readings.
 */
export class Console {
  static readonly TAKEN_EVERY_MS = 500;
  static readonly STALE_AFTER_MS = 10_000;
  static readonly HIDDEN_PAUSE_MS = 60_000;

  readonly fleet = new Fleet();
  readonly names = new Names();
  readonly #listing = new Listing();
  readonly #lag = new LagMeter();
  readonly #rate = new RateMeter();
  readonly #connection = new LiveConnection(this.fleet, browser, {
    phaseChanged: (phase) => this.#phaseChanged(phase),
    applied: (columns, live) => this.#applied(columns, live),
    alarmEvent: (data) => this.#alarm(data),
  });

  phase = $state<Phase>('connecting');
  /** Whether a whole snapshot was ever shown. */
  everLive = $state(false);
  summary = $state.raw<Summary>(this.#takeSummary());
  domain = $state.raw<Domain>({ min: -20, max: 40 });

  query = $state('');
  statuses = $state.raw<ReadonlySet<Status>>(new Set());
  sort = $state<SortKey>('deviceId');
  descending = $state(false);
  /** Slots in the order of the list. */
  order = $state.raw<readonly number[]>([]);
  /** While somebody points at the list its rows stay where they are. */
  holdOrder = false;

  opened = $state.raw<OpenedDevice | null>(null);

  readonly stale = $derived(
    this.phase !== 'paused' && this.everLive && this.summary.nowMs - this.summary.heardMs > Console.STALE_AFTER_MS,
  );
  readonly empty = $derived(this.everLive && this.summary.devices === 0);
  /** Said to people who do not see the page: at once when it matters, otherwise seldom. */
  announcement = $state('');

  #map: FleetMap | null = null;
  #orderedMembership = -1;
  #orderCostMs = 0;
  #orderedMs = 0;
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  #searchTimer: ReturnType<typeof setTimeout> | undefined;
  #fitted = false;

  start(): void {
    this.#readLink();
    this.#connection.start();
    setInterval(() => this.#take(), Console.TAKEN_EVERY_MS);
    setInterval(() => this.#announceSummary(), 30_000);
    addEventListener('popstate', () => this.#readLink());
    addEventListener('online', () => this.#connection.retryNow());
    document.addEventListener('visibilitychange', () => this.#visibilityChanged());
  }

  attachMap(map: FleetMap): void {
    this.#map = map;
    map.setDomain(this.domain);
    map.select(this.opened ? this.fleet.find(this.opened.deviceId) : undefined);
    if (this.opened) map.showTrail(this.opened.track);
    this.#fitOnce();
  }

  get map(): FleetMap | null {
    return this.#map;
  }

  /** Which parts of the window are covered; set by the layout. */
  margins = { top: 0, right: 0, bottom: 0, left: 0 };

  retryNow(): void {
    this.#connection.retryNow();
  }

  // The list.

  search(query: string): void {
    this.query = query;
    clearTimeout(this.#searchTimer);
    this.#searchTimer = setTimeout(() => {
      this.names
        .search(query)
        .then(() => this.reorder())
        .catch(() => {}); // What is loaded is searched anyway.
      this.#writeLink('replace');
    }, 250);
    this.reorder();
  }

  toggleStatus(status: Status): void {
    const next = new Set(this.statuses);
    if (!next.delete(status)) next.add(status);
    this.statuses = next;
    this.reorder();
    this.#writeLink('replace');
  }

  showAllStatuses(): void {
    this.statuses = new Set();
    this.reorder();
    this.#writeLink('replace');
  }

  sortBy(key: SortKey): void {
    if (this.sort === key) this.descending = !this.descending;
    else {
      this.sort = key;
      // Hottest first and latest first are what one looks for.
      this.descending = key !== 'deviceId';
    }
    this.reorder();
    this.#writeLink('replace');
  }

  reorder(): void {
    const began = performance.now();
    this.#listing.refresh(this.fleet, {
      query: this.query,
      statuses: this.statuses,
      sort: this.sort,
      descending: this.descending,
      nameOf: (deviceId) => this.names.of(deviceId),
      alsoFound: this.names.found,
    });
    this.order = this.#listing.order;
    this.#orderedMembership = this.fleet.membership;
    this.#orderCostMs = performance.now() - began;
    this.#orderedMs = Date.now();
    this.#map?.redraw();
  }

  // One device.

  open(deviceId: string, how: 'push' | 'replace' | 'keep' = 'push'): void {
    if (this.opened?.deviceId === deviceId) return;
    this.opened?.close();
    const opened = new OpenedDevice(deviceId, this.fleet, {
      trackRead: (points) => this.#map?.showTrail(points),
      moved: (lon, lat) => this.#map?.extendTrail(lon, lat),
    });
    this.opened = opened;
    this.#map?.showTrail([]);
    this.#map?.select(this.fleet.find(deviceId));
    void opened.load().then(() => {
      if (opened.device) this.names.learn([opened.device]);
    });
    if (how !== 'keep') this.#writeLink(how);
  }

  /** Moves the map to the open device, once the layout has made room for its panel. */
  revealOpened(): void {
    const slot = this.opened ? this.fleet.find(this.opened.deviceId) : undefined;
    if (slot !== undefined) this.#map?.reveal(slot, this.margins);
  }

  close(how: 'push' | 'keep' = 'push'): void {
    this.opened?.close();
    this.opened = null;
    this.#map?.select(undefined);
    this.#map?.showTrail([]);
    this.#map?.markTrail(null);
    if (how === 'push') this.#writeLink('push');
  }

  async describe(deviceId: string, name: string | null, labels: string[]): Promise<void> {
    await describeDevice(deviceId, name, labels);
    this.names.learn([{ deviceId, name }]);
    if (this.opened?.deviceId === deviceId) await this.opened.load();
    notices.say('Saved.', 'good');
  }

  async forget(deviceId: string): Promise<void> {
    await forgetDevice(deviceId);
    if (this.opened?.deviceId === deviceId) this.close();
    notices.say(`${deviceId} was forgotten.`, 'good');
  }

  fitFleet(): void {
    this.#map?.fitFleet(this.margins);
  }

  showTrail(): void {
    this.#map?.fitTrail(this.margins);
  }

  // What comes in.

  #applied(columns: Columns, live: boolean): void {
    const now = Date.now();
    if (live) {
      this.#rate.add(now, columns.i.length);
      this.#lag.sample(now, columns.at);
    }
    this.opened?.follow(now);
    if (!document.hidden) this.#map?.redraw();
  }

  #phaseChanged(phase: Phase): void {
    const before = this.phase;
    this.phase = phase;
    if (phase === 'live') {
      if (!this.everLive) {
        this.everLive = true;
        void this.names.learnAll().catch(() => {}); // Ids are shown where names are not known.
      } else {
        void this.opened?.load();
      }
      this.#take();
      this.#fitOnce();
      this.#announceSummary();
    } else if (phase === 'offline') {
      this.#lag.clear();
      if (before === 'live') this.announcement = 'The connection is lost. Trying again.';
    }
  }

  #alarm(data: string): void {
    try {
      const event = JSON.parse(data) as { type: string; deviceId: string; severity?: string };
      if (event.type === 'AlarmHasBeenRaised') {
        notices.say(`Alarm at ${this.names.of(event.deviceId) ?? event.deviceId} (${event.severity ?? 'warning'})`, 'alarm');
      }
    } catch {
      // An alarm that cannot be read still shows as the status of its device.
    }
  }

  #take(): void {
    this.summary = this.#takeSummary();
    if (document.hidden) return;
    const due = Date.now() - this.#orderedMs > Math.max(Console.TAKEN_EVERY_MS - 50, this.#orderCostMs * 40);
    const plain = this.sort === 'deviceId' && this.query === '' && this.statuses.size === 0;
    if (plain ? this.#orderedMembership !== this.fleet.membership : due && !this.holdOrder) this.reorder();
    this.#takeDomain();
    this.#map?.select(this.opened ? this.fleet.find(this.opened.deviceId) : undefined);
    this.#fitOnce();
  }

  #takeSummary(): Summary {
    const nowMs = Date.now();
    return {
      nowMs,
      devices: this.fleet.count,
      byStatus: Object.fromEntries(STATUSES.map((status) => [status, this.fleet.countOf(status)])) as Record<Status, number>,
      perSecond: this.#rate.perSecond(nowMs),
      lagP95Ms: this.#lag.p95(nowMs),
      heardMs: this.#connection.heardMs,
      nextAttemptMs: this.#connection.nextAttemptMs,
    };
  }

  #domainTakenMs = 0;
  #takeDomain(): void {
    if (this.fleet.count === 0 || Date.now() - this.#domainTakenMs < 5_000) return;
    this.#domainTakenMs = Date.now();
    // A sample is enough to find the hundredths at the ends.
    const step = Math.max(1, Math.floor(this.fleet.slotsInUse / 5_000));
    const sample = new Float32Array(Math.ceil(this.fleet.slotsInUse / step));
    let taken = 0;
    for (let slot = 0; slot < this.fleet.slotsInUse; slot += step) {
      if (this.fleet.ids[slot] !== null) sample[taken++] = this.fleet.celsius[slot] as number;
    }
    const domain = domainFor(sample.subarray(0, taken).sort(), this.#fitted ? this.domain : null);
    if (domain === this.domain) return;
    this.domain = domain;
    this.#map?.setDomain(domain);
  }

  #fitOnce(): void {
    if (this.#fitted || !this.everLive || this.#map === null || this.fleet.count === 0) return;
    this.#fitted = true;
    if (!this.#map.hasViewFromLink && !this.opened) this.#map.fitFleet(this.margins, false);
    this.revealOpened();
  }

  #announceSummary(): void {
    if (this.phase !== 'live') return;
    const { devices, byStatus, lagP95Ms } = this.summary;
    const parts = [`Live. ${devices} devices`];
    if (byStatus.alarm > 0) parts.push(`${byStatus.alarm} in alarm`);
    if (byStatus.silent > 0) parts.push(`${byStatus.silent} silent`);
    if (lagP95Ms !== null) parts.push(`95 percent arrive within ${duration(lagP95Ms)}`);
    this.announcement = `${parts.join(', ')}.`;
  }

  #visibilityChanged(): void {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) {
      this.#hiddenTimer = setTimeout(() => this.#connection.pause(), Console.HIDDEN_PAUSE_MS);
    } else {
      this.#connection.resume();
      this.#take();
    }
  }

  #readLink(): void {
    const link = parseLink(location.search);
    this.query = link.query;
    this.statuses = new Set(link.statuses);
    this.sort = link.sort;
    this.descending = link.descending;
    if (link.query !== '') this.search(link.query);
    else this.reorder();
    if (link.device === null) this.close('keep');
    else this.open(link.device, 'keep');
  }

  #writeLink(how: 'push' | 'replace'): void {
    const search = formatLink({
      device: this.opened?.deviceId ?? null,
      query: this.query,
      statuses: [...this.statuses],
      sort: this.sort,
      descending: this.descending,
    });
    const address = `${location.pathname}${search}${location.hash}`;
    if (address === `${location.pathname}${location.search}${location.hash}`) return;
    history[how === 'push' ? 'pushState' : 'replaceState'](null, '', address);
  }
}
