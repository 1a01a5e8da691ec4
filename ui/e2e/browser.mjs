import { accessSync, constants } from 'node:fs';
import { chromium } from 'playwright-core';

const executablePath = process.env.FIELDWATCH_CHROMIUM ?? '/usr/bin/chromium';

/** Starts Chromium, or resolves to null where there is none. */
export async function browserOrNull() {
  try {
    accessSync(executablePath, constants.X_OK);
  } catch {
    return null;
  }
  // A process of root has no sandbox to go into.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args });
}

export const whyNoBrowser = `no Chromium at ${executablePath}; set FIELDWATCH_CHROMIUM to its path`;
