import { STATUSES, type Status } from '../fleet/status';
import type { SortKey } from '../fleet/listing';

/** What the address of the page says: a link shows another person the same thing. The map keeps its view in the hash. */
export interface Link {
  device: string | null;
  query: string;
  statuses: Status[];
  sort: SortKey;
  descending: boolean;
}

const SORT_KEYS: readonly SortKey[] = ['deviceId', 'temperature', 'lastSeen'];

export function parseLink(search: string): Link {
  const words = new URLSearchParams(search);
  const sort = words.get('sort') ?? '';
  const key = SORT_KEYS.find((known) => known === sort.replace(/^-/, ''));
  return {
    device: words.get('device') || null,
    query: words.get('q') ?? '',
    statuses: STATUSES.filter((status) => words.getAll('status').includes(status)),
    sort: key ?? 'deviceId',
    descending: key !== undefined && sort.startsWith('-'),
  };
}

/** Says only what differs from the plain page. */
export function formatLink(link: Link): string {
  const words = new URLSearchParams();
  if (link.device !== null) words.set('device', link.device);
  if (link.query !== '') words.set('q', link.query);
  for (const status of link.statuses) words.append('status', status);
  if (link.sort !== 'deviceId' || link.descending) words.set('sort', `${link.descending ? '-' : ''}${link.sort}`);
  const text = words.toString();
  return text === '' ? '' : `?${text}`;
}
