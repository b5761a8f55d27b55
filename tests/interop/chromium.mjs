// Chromium on the page of our echo, as a person would use it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { deflate } from './chromium_deflate.mjs';
import { check as plainCheck, finish, startEcho } from './lib.mjs';

const check = (name, ...rest) => plainCheck(`chromium: ${name}`, ...rest);
const echo = await startEcho();
const profile = mkdtempSync(join(tmpdir(), 'sansocket-interop-'));
process.on('exit', () => rmSync(profile, { recursive: true, force: true, maxRetries: 3 }));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  viewport: { width: 1280, height: 800 },
  timeout: 60_000,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
});
browser.setDefaultTimeout(15_000);
const page = await browser.newPage();
const faults = [];
page.on('pageerror', (error) => faults.push(error.message));
page.on('console', (line) => line.type() === 'error' && faults.push(line.text()));

const state = (name) => page.waitForSelector(`html[data-state=${name}]`);
const value = (id) => page.locator(`#${id}`).evaluate((element) => Number(element.value));
const text = (id) => page.locator(`#${id}`).innerText();
/** The echoes so far, as the log has them. */
const echoed = () => page.locator('#log tr[data-direction=received]').evaluateAll((rows) => rows.map((row) => (
  { ...row.dataset, content: row.querySelector('.what bdi')?.textContent ?? '' }
)));
/** The next echo after `act`. */
async function echoOf(act) {
  const before = await value('received-messages');
  await act();
  await page.waitForFunction((n) => Number(document.querySelector('#received-messages').value) > n, before);
  return (await echoed()).at(-1);
}
async function connect() {
  await page.click('#connect');
  await state('open');
}
async function ended(code, reason) {
  await state('closed');
  assert.equal(await value('ended-code'), code);
  if (reason !== undefined) assert.equal(await text('ended-reason'), reason);
  assert.equal(await text('ended-clean'), 'yes');
}

await check('the page loads', async () => {
  const response = await page.goto(echo.page);
  assert.equal(response.status(), 200);
  assert.match(response.headers()['content-type'], /^text\/html/);
  assert.equal(await text('url'), echo.url);
});
await check('connects', connect);
await check('text with an emoji comes back', async () => {
  await page.fill('#text', 'grüße 👩🏽‍🚀');
  const back = await echoOf(() => page.press('#text', 'Enter'));
  assert.deepEqual(back, { direction: 'received', kind: 'text', size: '23', echo: 'equal', content: 'grüße 👩🏽‍🚀' });
});
await check('empty text comes back', async () => {
  const back = await echoOf(() => page.press('#text', 'Enter'));
  assert.deepEqual(back, { direction: 'received', kind: 'text', size: '0', echo: 'equal', content: '' });
});
await check('1 MiB of random bytes comes back equal', async () => {
  const back = await echoOf(() => page.click('#send-random'));
  assert.deepEqual([back.kind, back.size, back.echo], ['binary', '1048576', 'equal']);
  assert.match(await text('random-result'), /1,048,576 bytes came back equal/);
});
await check('a file comes back', async () => {
  const chosen = page.waitForEvent('filechooser');
  await page.click('#choose');
  const file = { name: 'some file.bin', mimeType: 'application/octet-stream', buffer: randomBytes(300_000) };
  const back = await echoOf(async () => (await chosen).setFiles([file]));
  assert.deepEqual([back.kind, back.size, back.echo], ['binary', '300000', 'equal']);
});
await check('a dropped file comes back', async () => {
  const back = await echoOf(() => page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['dropped'], 'dropped.txt'));
    for (const type of ['dragenter', 'dragover', 'drop']) {
      document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
    }
  }));
  assert.deepEqual([back.kind, back.size, back.echo], ['binary', '7', 'equal']);
});
await check('round trips are timed', async () => {
  assert.match(await text('rtt-last'), /^[\d.]+ ms$/);
  assert.ok(await value('rtt-median') >= 0);
  assert.equal(await text('rtt-count'), '5');
  assert.equal(await value('sent-bytes'), await value('received-bytes'));
});
await check('2,000 messages at once, and the log stays short', async () => {
  await page.evaluate(() => {
    for (let i = 0; i < 2000; i++) send({ kind: 'text', text: `${i}`, bytes: utf8.encode(i), size: `${i}`.length });
  });
  await page.waitForFunction(() => Number(document.querySelector('#received-messages').value) === 2005);
  const rows = await echoed();
  assert.ok(rows.length <= 500, `${rows.length} rows`);
  assert.ok(rows.every((row) => row.echo === 'equal'));
}, 30);
await check('no sideways scrolling on a phone', async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.setViewportSize({ width: 1280, height: 800 });
});
await check('a close code that a page may not use is explained', async () => {
  await page.fill('#close-code', '1001');
  await page.click('#disconnect');
  assert.match(await text('close-fault'), /1000 or 3000–4999/);
  await state('open');
});
await check('close from the page', async () => {
  await page.fill('#close-code', '3000');
  await page.fill('#close-reason', 'that was all');
  await page.click('#disconnect');
  await ended(3000);
});
await check('close from the page without a code', async () => {
  await connect();
  await page.fill('#close-code', '');
  await page.fill('#close-reason', '');
  await page.click('#disconnect');
  await ended(1005);
});

/** Opens a connection from a page of another origin, and says how that went. */
async function fromElsewhere(url) {
  const server = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end('<title>elsewhere</title>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const other = await browser.newPage();
  try {
    await other.goto(`http://127.0.0.1:${server.address().port}/`);
    return await other.evaluate((url) => new Promise((resolve) => {
      const ws = new WebSocket(url);
      ws.onopen = () => ws.send('from elsewhere');
      ws.onmessage = ({ data }) => resolve(data);
      ws.onclose = ({ code }) => resolve(code);
    }), url);
  } finally {
    await other.close();
    server.close();
  }
}
await check('a page of another origin is refused', async () => assert.equal(await fromElsewhere(echo.url), 1006));
await check('unless any origin is allowed', async () => {
  const open = await startEcho('--any-origin');
  assert.equal(await fromElsewhere(open.url), 'from elsewhere');
  open.kill('SIGKILL');
});

await check('close from the server', async () => {
  await connect();
  await page.fill('#text', 'last words');
  await echoOf(() => page.press('#text', 'Enter'));
  echo.kill('SIGTERM');
  await ended(1001);
  assert.equal(await echo.exit, 0, 'exit status');
}, 20);
await check('nothing to connect to', async () => {
  assert.deepEqual(faults, []);
  await page.click('#connect');
  await state('closed');
  assert.equal(await text('state'), 'no connection');
  assert.equal(await value('ended-code'), 1006);
});
await deflate(browser);
await browser.close();
finish();
