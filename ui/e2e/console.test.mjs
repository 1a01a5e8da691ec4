// The console in a real browser, against the program that FIELDWATCH_BIN names, or a running one: FIELDWATCH_URL=http://127.0.0.1:8080

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { browserOrNull, whyNoBrowser } from './browser.mjs';
import { LIVE, OFFLINE, lineTo, openDevice, openPage, optionOf, postReading, serverUnderTest, someServer } from './world.mjs';

const browser = await browserOrNull();
if (browser === null) console.error(`SKIPPED, all browser tests: ${whyNoBrowser}`);
const skip = browser === null ? whyNoBrowser : false;
console.error(`browser tests against ${serverUnderTest}`);
const HTML_ID = `<img src=x onerror=alert(1)> ${process.pid}`;
const MOVER = `e2e-mover-${process.pid}`;
const LONG = { timeout: 30_000 };

after(() => browser?.close());

describe('the console', { skip, timeout: 180_000 }, () => {
  let server;
  before(async () => {
    server = await someServer();
    await postReading(server.url, { deviceId: MOVER, temperature: 20.5 });
    await postReading(server.url, { deviceId: HTML_ID, temperature: 4.25 });
  });
  after(() => server?.close());

  /** Runs a test on a page of its own, and fails it for anything that must never happen. */
  const onPage = (name, run, options = {}) =>
    test(name, { timeout: 90_000 }, async () => {
      const line = await lineTo(server.url);
      const { page, faults, close } = await openPage(browser, line.url, options);
      try {
        await page.waitForSelector(LIVE, LONG);
        await run(page, line);
        assert.deepEqual(faults, [], 'no dialog, no error, no breach of the policy, no request to another host');
      } finally {
        await close();
        await line.close();
      }
    });

  onPage('shows the devices on first load, in the list and drawn on the map', async (page) => {
    await page.locator('[role=option]').first().waitFor(LONG);
    assert.match(await page.locator('.pill').getAttribute('aria-label'), /[1-9]\d* devices/);
    await page.waitForSelector('canvas.maplibregl-canvas', LONG);
    await waitForPoints(page);
  });

  onPage('moves when a reading comes in', async (page) => {
    await openDevice(page, MOVER);
    const big = page.locator('.big');
    await postReading(server.url, { deviceId: MOVER, temperature: 31.5 });
    await page.locator('.big[data-temperature="31.5"]').waitFor(LONG);
    await postReading(server.url, { deviceId: MOVER, temperature: -7.25, lat: 48.3 });
    await page.locator('.big[data-temperature="-7.25"]').waitFor(LONG);
    assert.match(await big.innerText(), /\u22127\.[23]/);
    await page.locator('dd', { hasText: '48.30000° N' }).waitFor(LONG);
  });

  onPage('opens a device with its values, chart and events, and the address names it', async (page) => {
    await openDevice(page, MOVER);
    const panel = page.locator('aside[aria-label="Device"]');
    await panel.getByRole('heading', { name: MOVER }).waitFor(LONG);
    await panel.locator('.chart canvas').waitFor(LONG);
    await panel.getByText('First reading').waitFor(LONG);
    assert.equal(new URL(page.url()).searchParams.get('device'), MOVER);
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    await page.goBack();
    await panel.waitFor(LONG);
  });

  onPage(
    'opens the device that the address names',
    async (page) => {
      await page.locator('aside[aria-label="Device"]').getByRole('heading', { name: MOVER }).waitFor(LONG);
    },
    { path: `/?device=${MOVER}` },
  );

  onPage('shows an id that is HTML as text', async (page) => {
    await openDevice(page, HTML_ID);
    assert.equal(await page.locator('aside h2').innerText(), HTML_ID);
    await page.getByText('First reading').waitFor(LONG);
    assert.equal(await page.locator('img').count(), 0);
  });

  onPage('can be used with the keyboard alone', async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type(MOVER);
    await optionOf(page, MOVER).waitFor(LONG);
    await page.getByRole('listbox').focus();
    await page.keyboard.press('Enter');
    await page.locator('aside h2').waitFor(LONG);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H2');
  });

  onPage('a name is edited, shown as text, and found', async (page) => {
    const name = `<b>Name</b> ${process.pid}`;
    await openDevice(page, MOVER);
    await page.getByLabel('Edit name and labels').click();
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByLabel('Labels, separated by commas').fill('cold, e2e');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.locator('aside h2', { hasText: name }).waitFor(LONG);
    await page.getByText('e2e', { exact: true }).waitFor(LONG);
    await page.getByRole('searchbox').fill(name);
    await optionOf(page, MOVER).waitFor(LONG);
  });

  onPage('a device is forgotten only after asking', async (page) => {
    const deviceId = `e2e-forget-${process.pid}`;
    await postReading(server.url, { deviceId });
    await openDevice(page, deviceId);
    await page.getByRole('button', { name: 'Forget', exact: true }).click();
    await page.getByRole('button', { name: 'Keep' }).click();
    assert.equal(await page.locator('aside h2').innerText(), deviceId);
    await page.getByRole('button', { name: 'Forget', exact: true }).click();
    await page.getByRole('button', { name: 'Forget device' }).click();
    await page.locator('aside').waitFor({ state: 'detached' });
    await optionOf(page, deviceId).waitFor({ state: 'detached', ...LONG });
  });

  onPage('says that it is offline and greys out when the line is cut, and resumes by itself', async (page, line) => {
    await openDevice(page, MOVER);
    line.cut();
    await page.waitForSelector(OFFLINE, LONG);
    await page.getByText('Not current.').waitFor(LONG);
    assert.match(await page.locator('.map').evaluate((map) => getComputedStyle(map).filter), /grayscale/);
    await postReading(server.url, { deviceId: MOVER, temperature: 12.75 });
    line.mend();
    await page.waitForSelector(LIVE, LONG);
    await page.locator('.big[data-temperature="12.75"]').waitFor(LONG);
    await page.getByText('Not current.').waitFor({ state: 'detached', ...LONG });
    assert.equal(await page.locator('.map').evaluate((map) => map.classList.contains('stale')), false);
  });

  onPage('says that it is offline when the line stands but nothing comes through', async (page, line) => {
    line.hold();
    await page.waitForSelector(OFFLINE, LONG);
    await page.getByText('Not current.').waitFor(LONG);
  });

  for (const path of ['/', `/?device=${MOVER}`]) {
    onPage(
      `fits a phone: ${path === '/' ? 'the map' : 'a device'}`,
      async (page) => {
        const { width, needed } = await page.evaluate(() => ({ width: innerWidth, needed: document.documentElement.scrollWidth }));
        assert.ok(needed <= width, `${needed} px wide on a screen of ${width} px`);
        const beyond = await page.evaluate(() =>
          [...document.querySelectorAll('button, input, h2, dd, canvas')]
            .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1)
            .map((element) => element.outerHTML.slice(0, 80)),
        );
        assert.deepEqual(beyond, []);
        if (path === '/') {
          await page.getByRole('button', { name: /^Devices/ }).click();
          await page.locator('[role=option]').first().waitFor(LONG);
        }
      },
      { path, viewport: { width: 390, height: 844 }, hasTouch: true },
    );
  }
});

describe('a server without devices', { skip, timeout: 120_000 }, () => {
  test('explains how to send a first reading, and shows it when it comes', async (t) => {
    const server = await someServer({ empty: true });
    if (server === null) return t.skip('no FIELDWATCH_EMPTY_URL: a real server without devices');
    const { page, faults, close } = await openPage(browser, server.url);
    try {
      await page.getByRole('heading', { name: 'Send your first reading' }).waitFor(LONG);
      const command = await page.locator('pre').innerText();
      assert.ok(command.startsWith(`curl -X POST ${server.url}/api/v1/readings`), command);
      await postReading(server.url, JSON.parse(command.match(/-d '(.*)'/s)[1]));
      await page.locator('[role=option]').first().waitFor(LONG);
      await page.getByText('Send your first reading').waitFor({ state: 'detached' });
      assert.deepEqual(faults, []);
    } finally {
      await close();
      await server.close();
    }
  });
});

/** Waits until the points are drawn on their own canvas, and counts the pixels there that are not empty. */
async function waitForPoints(page) {
  await page.waitForFunction(() => document.querySelector('.point-overlay')?.style.visibility === 'visible', null, LONG);
  const found = await page.evaluate(async () => {
    const overlay = document.querySelector('.point-overlay');
    const bitmap = await createImageBitmap(overlay);
    const copy = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
    copy.drawImage(bitmap, 0, 0);
    const { data } = copy.getImageData(0, 0, bitmap.width, bitmap.height);
    let drawn = 0;
    for (let n = 3; n < data.length; n += 4) if (data[n] > 200) drawn += 1;
    return drawn;
  });
  assert.ok(found > 50, `${found} pixels drawn`);
}
