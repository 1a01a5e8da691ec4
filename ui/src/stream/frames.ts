/**
 * The frames form of the live stream: what its messages look like, and what they mean for the fleet.
 *
 * A message holds columns: entry n of `t`, `lat`, `lon`, `at` and `s` belongs to the device numbered `i[n]`. Devices get
 * their numbers, 0, 1, 2 …, in the order in which their ids appear in `ids` on this connection.
 */

/** One message of `snapshot` or `frame`, checked and complete. */
export interface Columns {
  readonly position: number | null;
  /** Only a snapshot has it: whether this was its last part. */
  readonly last: boolean;
  readonly ids: readonly string[];
  readonly i: readonly number[];
  /** 0.0001 °C */
  readonly t: readonly number[];
  /** 0.0000001° */
  readonly lat: readonly number[];
  readonly lon: readonly number[];
  /** Unix ms */
  readonly at: readonly number[];
  readonly s: readonly number[];
  readonly gone: readonly number[];
}

export interface Hello {
  readonly logId: string;
  readonly position: number | null;
}

/** Where decoded rows go. A slot is the sink's own number for a device and outlives the connection. */
export interface DeviceSink {
  slotOf(deviceId: string): number;
  put(slot: number, t: number, lat: number, lon: number, at: number, status: number): void;
  remove(deviceId: string): void;
}

/** The stream said something that this page does not understand. The way out is a new connection. */
export class FrameError extends Error {
  override name = 'FrameError';
}

export function parseHello(data: string): Hello {
  const message = parseObject(data);
  if (typeof message.logId !== 'string') throw new FrameError('hello without logId');
  return { logId: message.logId, position: positionOf(message) };
}

export function parseColumns(data: string): Columns {
  const message = parseObject(data);
  const columns: Columns = {
    position: positionOf(message),
    last: message.last === true,
    ids: column(message, 'ids'),
    i: column(message, 'i'),
    t: column(message, 't'),
    lat: column(message, 'lat'),
    lon: column(message, 'lon'),
    at: column(message, 'at'),
    s: column(message, 's'),
    gone: column(message, 'gone'),
  };
  for (const name of ['t', 'lat', 'lon', 'at', 's'] as const) {
    if (columns[name].length !== columns.i.length) {
      throw new FrameError(`column ${name} has ${columns[name].length} entries for ${columns.i.length} devices`);
    }
  }
  return columns;
}

/** Knows the numbers of one connection. Make a new one for each. */
export class FrameDecoder {
  readonly #ids: string[] = [];
  /** Slot by number, or -1 after the device has gone. */
  readonly #slots: number[] = [];

  constructor(private readonly sink: DeviceSink) {}

  apply(columns: Columns): void {
    for (const id of columns.ids) {
      if (typeof id !== 'string') throw new FrameError('a device id is not text');
      this.#ids.push(id);
      this.#slots.push(-1);
    }
    // What has gone comes first: a device that is forgotten and reports again between two frames is in
    // `gone` under its old number and in the columns under its new one, and it is there now.
    for (const number of columns.gone) {
      this.sink.remove(this.#idOf(number));
      this.#slots[number] = -1;
    }
    const { i, t, lat, lon, at, s } = columns;
    for (let n = 0; n < i.length; n++) {
      const number = i[n] as number;
      let slot = this.#slots[number] ?? -1;
      if (slot < 0) {
        slot = this.sink.slotOf(this.#idOf(number));
        this.#slots[number] = slot;
      }
      this.sink.put(slot, t[n] as number, lat[n] as number, lon[n] as number, at[n] as number, s[n] as number);
    }
  }

  #idOf(number: number): string {
    const id = this.#ids[number];
    if (id === undefined) throw new FrameError(`device number ${number} was never given an id`);
    return id;
  }
}

function parseObject(data: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new FrameError('a message is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FrameError('a message is not an object');
  }
  return value as Record<string, unknown>;
}

function positionOf(message: Record<string, unknown>): number | null {
  return typeof message.position === 'number' ? message.position : null;
}

/** An absent column is an empty one. Entries are not checked one by one: ten thousand come each second. */
function column<T>(message: Record<string, unknown>, name: string): readonly T[] {
  const value = message[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new FrameError(`column ${name} is not a list`);
  return value as T[];
}
