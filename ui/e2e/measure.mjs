// Measures what the page costs while a large fleet moves: 10 000 devices that each change once a second.
//
//   node e2e/measure.mjs [URL]
//
// Without a URL it starts the stand-in server with such a fleet; with one, whoever calls it sees to the load. After the page
// has loaded, it waits 20 s and then measures 20 s. Prints one line of JSON:
//
//   mainThreadPercent  share of the time that the page's main thread was busy (CDP Performance.getMetrics, TaskDuration)
//   longestTaskMs      the longest task that a PerformanceObserver for `longtask` saw; 0: none took 50 ms or more

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { browserOrNull } from './browser.mjs';

const SETTLE_MS = Number(process.env.MEASURE_SETTLE_MS ?? 20_000);
const MEASURE_MS = Number(process.env.MEASURE_MS ?? 20_000);

const browser = await browserOrNull();
if (browser === null) {
  console.error('measure: no Chromium found; set FIELDWATCH_CHROMIUM to its path');
  process.exit(1);
}

// In a process of its own, so that the load does not slow what measures.
const standIn = process.argv[2] ? null : await startLoad();
const url = process.argv[2] ?? standIn.url;
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.addInitScript(() => {
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
  });
  await page.goto(url);
  await page.waitForSelector('[data-state="live"]', { timeout: 60_000 });
  await page.waitForTimeout(SETTLE_MS);

  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'timeTicks' });
  const busyAndNow = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    const value = (name) => metrics.find((metric) => metric.name === name).value;
    return { busy: value('TaskDuration'), now: value('Timestamp'), script: value('ScriptDuration') };
  };
  await page.evaluate(() => (window.longTasks.length = 0));
  const before = await busyAndNow();
  await page.waitForTimeout(MEASURE_MS);
  const after = await busyAndNow();
  const longTasks = await page.evaluate(() => window.longTasks);
  const pill = await page.locator('[data-state]').innerText();

  const seconds = after.now - before.now;
  console.log(
    JSON.stringify({
      mainThreadPercent: Number((((after.busy - before.busy) / seconds) * 100).toFixed(1)),
      longestTaskMs: Math.round(Math.max(0, ...longTasks)),
      longTasks: longTasks.length,
      scriptPercent: Number((((after.script - before.script) / seconds) * 100).toFixed(1)),
      seconds: Number(seconds.toFixed(1)),
      shown: pill.replace(/\s+/g, ' '),
    }),
  );
} finally {
  await browser.close();
  standIn?.process.kill();
}

function startLoad() {
  const server = fileURLToPath(new URL('../dev/stand-in-server.mjs', import.meta.url));
  const child = fork(server, ['--port', '17303', '--devices', '10000', '--interval', '1000'], { silent: true });
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => String(text).includes('STAND-IN') && resolve({ url: 'http://127.0.0.1:17303', process: child }));
    child.on('exit', (code) => reject(new Error(`the stand-in server ended with ${code}`)));
  });
}
