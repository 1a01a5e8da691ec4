import { Backoff } from './backoff';
import { type Columns, FrameDecoder, FrameError, type DeviceSink, parseColumns, parseHello } from './frames';

/**
 * - `connecting`: no stream yet, nothing to show
 * - `catching-up`: the stream is open and the snapshot is on its way
 * - `live`: what is shown is what is known
 * - `offline`: the stream broke; the next attempt is scheduled
 * - `paused`: the page is hidden and gave its connection back
 */
export type Phase = 'connecting' | 'catching-up' | 'live' | 'offline' | 'paused';

/** The part of the fleet that a connection drives. */
export interface Fleet extends DeviceSink {
  beginSnapshot(): void;
  endSnapshot(): void;
  clear(): void;
  readonly isEmpty: boolean;
}

export interface Stream {
  addEventListener(type: string, listener: (message: { data: string; lastEventId: string }) => void): void;
  onerror: ((event: Event) => void) | null;
  close(): void;
}

export interface Surroundings {
  open(url: string): Stream;
  /** Where the server's log is, asked beside the stream. Rejects when there is no answer. */
  probe(): Promise<{ logId: string; position: number | null }>;
  nowMs(): number;
  /** Returns what cancels it. */
  after(ms: number, run: () => void): () => void;
  random(): number;
}

export interface Listeners {
  phaseChanged(phase: Phase): void;
  /** Rows were applied; `live` is false for those of a snapshot. */
  applied(columns: Columns, live: boolean): void;
  alarmEvent(data: string): void;
}

/** The events that come one by one even in the frames form. */
const ALARM_EVENTS = [
  'AlarmHasBeenRaised',
  'AlarmHasBeenAcknowledged',
  'AlarmHasBeenSnoozed',
  'AlarmHasBeenCleared',
] as const;

/**
 * Keeps the live stream open, for as long as the page lives.
 *
 * The browser's own retry is not used: it gives up for good on any answer but 200, and it does not wait longer each
 * time. Each attempt is a new `EventSource`, whose snapshot replaces what was known; only the alarms need to be told
 * from where to go on.
 *
 * A fleet at rest sends nothing, and the stream's keep-alives are comments that a page does not get to see. So after
 * some quiet the server is asked where its log is: when that is where the stream has brought us, what is shown is
 * known to be current. When it is further, twice in a row, the stream is dead and is replaced.
 */
export class LiveConnection {
  static readonly QUIET_BEFORE_PROBE_MS = 4_000;
  static readonly GIVE_UP_AFTER_MS = 20_000;
  /** A server without any device may send no snapshot at all. */
  static readonly EMPTY_AFTER_MS = 2_000;

  phase: Phase = 'connecting';
  /** When we last knew that what is shown is current. */
  heardMs: number;
  nextAttemptMs: number | null = null;
  attempts = 0;

  #stream: Stream | null = null;
  #logId: string | null = null;
  #position: number | null = null;
  #lastEventId: string | null = null;
  #behind = 0;
  #probing = false;
  #openedMs = 0;
  #cancelRetry: (() => void) | null = null;
  #cancelWatch: (() => void) | null = null;
  readonly #backoff: Backoff;

  constructor(
    private readonly fleet: Fleet,
    private readonly around: Surroundings,
    private readonly listeners: Listeners,
  ) {
    this.#backoff = new Backoff(() => around.random());
    this.heardMs = around.nowMs();
  }

  start(): void {
    this.#connect();
    this.#watch();
  }

  stop(): void {
    this.#close();
    this.#cancelWatch?.();
    this.#cancelWatch = null;
  }

  /** Gives the connection back: a browser has only six of them for one host, over all its tabs. */
  pause(): void {
    this.stop();
    this.#enter('paused');
  }

  resume(): void {
    if (this.phase !== 'paused') return;
    this.#backoff.succeeded();
    this.start();
  }

  /** Does not wait any longer. */
  retryNow(): void {
    if (this.phase !== 'offline') return;
    this.#close();
    this.#connect();
  }

  #connect(): void {
    this.attempts += 1;
    this.nextAttemptMs = null;
    this.#behind = 0;
    this.#openedMs = this.around.nowMs();
    const since = this.#lastEventId === null ? '' : `&since=${encodeURIComponent(this.#lastEventId)}`;
    const stream = this.around.open(`/api/v1/stream?form=frames${since}`);
    const decoder = new FrameDecoder(this.fleet);
    this.#stream = stream;

    const on = (type: string, handle: (data: string) => void): void => {
      stream.addEventListener(type, (message) => {
        if (this.#stream !== stream) return;
        if (message.lastEventId !== '') this.#lastEventId = message.lastEventId;
        this.#heard();
        this.#guarded(() => handle(message.data));
      });
    };
    on('hello', (data) => this.#greeted(data));
    on('snapshot', (data) => {
      const columns = parseColumns(data);
      this.#apply(decoder, columns, false);
      if (columns.last) this.#caughtUp();
    });
    on('frame', (data) => {
      this.#caughtUp();
      this.#apply(decoder, parseColumns(data), true);
    });
    on('gap', () => {}); // Concerns alarms only: the devices come in a fresh snapshot.
    on('overrun', () => this.#broken());
    for (const type of ALARM_EVENTS) on(type, (data) => this.listeners.alarmEvent(data));
    stream.onerror = () => {
      if (this.#stream === stream) this.#broken();
    };
  }

  #greeted(data: string): void {
    const hello = parseHello(data);
    if (this.#logId !== null && this.#logId !== hello.logId) {
      this.fleet.clear();
      this.#lastEventId = null;
    }
    this.#logId = hello.logId;
    this.#position = hello.position;
    this.fleet.beginSnapshot();
    this.#enter('catching-up');
  }

  #apply(decoder: FrameDecoder, columns: Columns, live: boolean): void {
    if (columns.position !== null) this.#position = columns.position;
    decoder.apply(columns);
    this.listeners.applied(columns, live);
  }

  #caughtUp(): void {
    if (this.phase === 'live') return;
    this.#backoff.succeeded();
    this.fleet.endSnapshot();
    this.#enter('live');
  }

  #heard(): void {
    this.heardMs = this.around.nowMs();
    this.#behind = 0;
  }

  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      console.warn(`the stream is not understood, starting it again: ${error.message}`);
      this.#broken();
    }
  }

  #broken(): void {
    this.#close();
    const wait = this.#backoff.nextMs();
    this.nextAttemptMs = this.around.nowMs() + wait;
    this.#cancelRetry = this.around.after(wait, () => this.#connect());
    this.#enter('offline');
  }

  #close(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#stream?.close();
    this.#stream = null;
  }

  #enter(phase: Phase): void {
    if (this.phase === phase) return;
    this.phase = phase;
    this.listeners.phaseChanged(phase);
  }

  #watch(): void {
    this.#cancelWatch = this.around.after(1_000, () => {
      this.#watch();
      this.#look();
    });
  }

  #look(): void {
    if (this.#stream === null) return;
    const quiet = this.around.nowMs() - this.heardMs;
    if (this.phase === 'catching-up' && this.fleet.isEmpty && quiet > LiveConnection.EMPTY_AFTER_MS) {
      this.#caughtUp();
    }
    const open = this.around.nowMs() - this.#openedMs;
    if (quiet > LiveConnection.GIVE_UP_AFTER_MS && open > LiveConnection.GIVE_UP_AFTER_MS) {
      this.#broken();
    } else if (quiet > LiveConnection.QUIET_BEFORE_PROBE_MS && this.phase === 'live' && !this.#probing) {
      void this.#probe(this.#stream);
    }
  }

  async #probe(stream: Stream): Promise<void> {
    this.#probing = true;
    try {
      const there = await this.around.probe();
      if (this.#stream !== stream) return;
      const sameLog = there.logId === this.#logId;
      const current = there.position === null || this.#position === null || there.position <= this.#position;
      if (sameLog && current) this.#heard();
      else if (++this.#behind >= 2) this.#broken();
    } catch {
      // No answer is no news: the age of the last news goes on growing, and is shown.
    } finally {
      this.#probing = false;
    }
  }
}
