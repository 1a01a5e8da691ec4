/** How long to wait before the next attempt to connect: half a second, doubling, to fifteen, spread at random. */
export class Backoff {
  static readonly SHORTEST_MS = 500;
  static readonly LONGEST_MS = 15_000;
  #failures = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** The wait before the next attempt. The spread keeps a thousand pages from coming back in the same instant. */
  nextMs(): number {
    const ceiling = Math.min(Backoff.LONGEST_MS, Backoff.SHORTEST_MS * 2 ** (this.#failures + 1));
    this.#failures += 1;
    return Backoff.SHORTEST_MS + this.random() * (ceiling - Backoff.SHORTEST_MS);
  }

  succeeded(): void {
    this.#failures = 0;
  }
}
