import { readStatus } from '../api/client';
import type { Surroundings } from './connection';

/** The real browser around a live connection. */
export const browser: Surroundings = {
  open: (url) => new EventSource(url),
  probe: readStatus,
  nowMs: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
