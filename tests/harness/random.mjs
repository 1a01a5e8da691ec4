// Reproducible randomness: a failure prints its seed, and the seed repeats the choices.

/** A generator of numbers from 0 to 1 (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, between: (low, high) => low + next() * (high - low), chance: (p) => next() < p };
}

/** The seed of this run: `FIELDWATCH_SEED`, or one of the clock. */
export function seedOfRun() {
  return Number(process.env.FIELDWATCH_SEED ?? Date.now() % 1_000_000);
}
