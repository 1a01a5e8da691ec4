import type { Fleet } from './fleet';
import { STATUSES, type Status } from './status';

export type SortKey = 'deviceId' | 'temperature' | 'lastSeen';

export interface Wanted {
  readonly query: string;
  /** Empty: every status. */
  readonly statuses: ReadonlySet<Status>;
  readonly sort: SortKey;
  readonly descending: boolean;
  /** What else to search in: the name people gave a device, if any. */
  readonly nameOf: (deviceId: string) => string | null;
  /** Ids that the server found for this query, by words that this page has not loaded. */
  readonly alsoFound: ReadonlySet<string>;
}

/**
 * The devices that the list shows, in its order, as slots.
 *
 * The order by id is kept and only made anew when devices come or go: comparing text is what costs. Digits compare as
 * numbers, so that truck 9 comes before truck 10.
 */
export class Listing {
  order: number[] = [];
  #byId: number[] = [];
  #membership = -1;
  readonly #compareIds = new Intl.Collator('en', { numeric: true }).compare;

  /** Makes the order anew and dims on the map what the list leaves out. */
  refresh(fleet: Fleet, wanted: Wanted): void {
    this.#refreshById(fleet);
    const query = wanted.query.trim().toLowerCase();
    const everything = query === '' && wanted.statuses.size === 0;
    const shown: number[] = [];
    for (const slot of this.#byId) {
      const matches = everything || this.#matches(fleet, slot, query, wanted);
      if (matches) shown.push(slot);
      fleet.dim(slot, !matches);
    }
    if (wanted.sort !== 'deviceId') {
      const key = wanted.sort === 'temperature' ? fleet.temperature : fleet.at;
      // Sorting is stable, so equal values stay in the order of their ids.
      shown.sort((a, b) => (key[a] as number) - (key[b] as number));
    }
    if (wanted.descending) shown.reverse();
    this.order = shown;
  }

  #matches(fleet: Fleet, slot: number, query: string, wanted: Wanted): boolean {
    if (wanted.statuses.size > 0 && !wanted.statuses.has(STATUSES[fleet.status[slot] as number] as Status)) return false;
    if (query === '') return true;
    const id = fleet.ids[slot] as string;
    return (
      id.toLowerCase().includes(query) ||
      (wanted.nameOf(id)?.toLowerCase().includes(query) ?? false) ||
      wanted.alsoFound.has(id)
    );
  }

  #refreshById(fleet: Fleet): void {
    if (this.#membership === fleet.membership) return;
    this.#membership = fleet.membership;
    this.#byId = [];
    for (let slot = 0; slot < fleet.slotsInUse; slot++) {
      if (fleet.ids[slot] !== null) this.#byId.push(slot);
    }
    this.#byId.sort((a, b) => this.#compareIds(fleet.ids[a] as string, fleet.ids[b] as string));
  }
}
