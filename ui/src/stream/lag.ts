/**
 * Measures how far the screen is behind the devices.
 *
 * One sample per changed device: the time its frame arrived here minus the reading's own `at`, both in Unix ms. It covers
 * the whole way (device, network, queue, decision, store, push, browser) and includes the difference between the device's
 * clock and this computer's. A reading from a clock ahead of ours counts as 0.
 */
export class LagMeter {
  static readonly WINDOW_MS = 10_000;
  static readonly MOST_SAMPLES = 4096;

  readonly #lag = new Float64Array(LagMeter.MOST_SAMPLES);
  readonly #taken = new Float64Array(LagMeter.MOST_SAMPLES);
  #next = 0;
  #filled = 0;

  sample(arrivedMs: number, at: readonly number[]): void {
    // A large frame is sampled evenly, so that the window still spans several frames.
    const step = Math.max(1, Math.ceil(at.length / 64));
    for (let n = 0; n < at.length; n += step) {
      this.#lag[this.#next] = Math.max(0, arrivedMs - (at[n] as number));
      this.#taken[this.#next] = arrivedMs;
      this.#next = (this.#next + 1) % LagMeter.MOST_SAMPLES;
      this.#filled = Math.min(this.#filled + 1, LagMeter.MOST_SAMPLES);
    }
  }

  /** The 95th percentile over the last ten seconds, or null when nothing changed in them. */
  p95(nowMs: number): number | null {
    const recent = this.#lag
      .subarray(0, this.#filled)
      .filter((_, n) => nowMs - (this.#taken[n] as number) <= LagMeter.WINDOW_MS)
      .sort();
    return recent.length === 0 ? null : (recent[Math.ceil(recent.length * 0.95) - 1] as number);
  }

  clear(): void {
    this.#filled = 0;
    this.#next = 0;
  }
}

/** Counts changes over a short sliding window. */
export class RateMeter {
  static readonly BUCKETS = 5;
  readonly #counts = new Float64Array(RateMeter.BUCKETS);
  readonly #seconds = new Float64Array(RateMeter.BUCKETS);

  add(nowMs: number, count: number): void {
    const second = Math.floor(nowMs / 1000);
    const bucket = second % RateMeter.BUCKETS;
    if (this.#seconds[bucket] !== second) {
      this.#seconds[bucket] = second;
      this.#counts[bucket] = 0;
    }
    this.#counts[bucket] = (this.#counts[bucket] as number) + count;
  }

  /** Changes per second over the last full seconds. */
  perSecond(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    let sum = 0;
    for (let bucket = 0; bucket < RateMeter.BUCKETS; bucket++) {
      const age = second - (this.#seconds[bucket] as number);
      if (age >= 1 && age < RateMeter.BUCKETS) sum += this.#counts[bucket] as number;
    }
    return sum / (RateMeter.BUCKETS - 1);
  }
}
