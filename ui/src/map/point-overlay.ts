import type { Fleet } from '../fleet/fleet';
import type { FromWorker, ToWorker } from './point-overlay.worker';
import type { PointLook, PointView } from './point-view';

/**
 * The points on a canvas of their own over the map, drawn by a worker.
 *
 * While the map stands still and ten thousand points move, the map itself need not be drawn again, and the main thread
 * need not wait for the graphics card; without a real one, as in a virtual machine, that wait alone would be a
 * tenth of a second for each frame. A picture is asked for only when the last one is done, and after a pause in proportion
 * to what it took, so a slow machine shows fewer pictures rather than late ones.
 */
export class PointOverlay {
  /** Of the time, at most a third goes into drawing. */
  static readonly PAUSE_FACTOR = 2;

  readonly #canvas = document.createElement('canvas');
  readonly #worker: Worker;
  #busy = false;
  #wanted: { view: PointView; look: PointLook } | null = null;
  #asked: PointView | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    parent: HTMLElement,
    private readonly fleet: Fleet,
    private readonly tell: { drawn(view: PointView): void; failed(): void },
  ) {
    this.#canvas.className = 'point-overlay';
    this.#canvas.setAttribute('aria-hidden', 'true');
    this.hide();
    parent.append(this.#canvas);
    this.#worker = new Worker(new URL('./point-overlay.worker.ts', import.meta.url), { type: 'module' });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#answered(data);
    this.#worker.onerror = () => this.tell.failed();
    const canvas = this.#canvas.transferControlToOffscreen();
    this.#post({ canvas }, [canvas]);
  }

  show(): void {
    this.#canvas.style.visibility = 'visible';
  }

  hide(): void {
    this.#canvas.style.visibility = 'hidden';
  }

  draw(view: PointView, look: PointLook): void {
    this.#wanted = { view, look };
    this.#next();
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#worker.terminate();
    this.#canvas.remove();
  }

  #next(): void {
    if (this.#busy || this.#wanted === null) return;
    const { view, look } = this.#wanted;
    this.#wanted = null;
    this.#busy = true;
    this.#asked = view;
    const slots = this.fleet.slotsInUse;
    const columns = {
      positions: this.fleet.positions.slice(0, slots * 4),
      celsius: this.fleet.celsius.slice(0, slots),
      appearance: this.fleet.appearance.slice(0, slots),
    };
    this.#post({ view, look, columns }, Object.values(columns).map(({ buffer }) => buffer));
  }

  #answered(answer: FromWorker): void {
    if ('failed' in answer) {
      console.warn(`points are drawn with the map from now on: ${answer.failed}`);
      this.tell.failed();
      return;
    }
    if (this.#asked) this.tell.drawn(this.#asked);
    this.#timer = setTimeout(() => {
      this.#busy = false;
      this.#next();
    }, answer.drawn * PointOverlay.PAUSE_FACTOR);
  }

  #post(message: ToWorker, transfer: Transferable[]): void {
    this.#worker.postMessage(message, transfer);
  }
}
