// Waiting for conditions, and nothing else: no test sleeps for a while and hopes.

import { setTimeout as pause } from "node:timers/promises";

const POLL_MS = 20;

/** Polls `condition` until it answers something true, and answers that; fails with `what` after the deadline. */
export async function waitUntil(what, condition, deadlineMs = 20_000) {
  const end = Date.now() + deadlineMs;
  let lastError;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${deadlineMs} ms in vain until ${what}`, { cause: lastError });
    }
    await pause(POLL_MS);
  }
}
