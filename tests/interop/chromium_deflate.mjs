// Chromium against our echo, with compression: a script on the page, and a relay that counts what passes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { check as plainCheck, startEcho } from './lib.mjs';

const MIB = 1 << 20;
const check = (name, ...rest) => plainCheck(`chromium, deflate: ${name}`, ...rest);

/** Passes connections on to a server, and counts their bytes. */
async function relay(server) {
  const wire = { sent: 0, received: 0 };
  const listener = net.createServer({ noDelay: true }, (near) => {
    const far = net.connect({ port: new URL(server.page).port, host: '127.0.0.1', noDelay: true });
    near.on('data', (data) => { wire.sent += data.length; });
    far.on('data', (data) => { wire.received += data.length; });
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => { near.destroy(); far.destroy(); });
  });
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  return { wire, page: `http://127.0.0.1:${listener.address().port}/`, close: () => listener.close() };
}

/** What runs in the page: a connection, whose messages are made, sent and compared there. */
function prepare() {
  let seed = 1;
  const noise = (n) => Uint8Array.from({ length: n }, () => {
    seed = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return (seed ^ (seed >>> 13)) >>> 24;
  });
  const text = (n) => String.fromCodePoint(...Array.from(noise(2 * n), (byte, i) => 0x1f300 + ((byte << 1 ^ i) & 0x1ff))).slice(0, 2 * n);
  const ws = new WebSocket(`ws://${location.host}/ws`), heard = [], waiting = [];
  ws.binaryType = 'arraybuffer';
  ws.onmessage = ({ data }) => waiting.length ? waiting.shift().resolve(data) : heard.push(data);
  const next = () => heard.length ? heard.shift() : new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  const ended = new Promise((resolve) => {
    ws.onclose = ({ code, reason, wasClean }) => {
      waiting.forEach(({ reject }) => reject(new Error(`closed with ${code}`)));
      resolve([code, reason, wasClean]);
    };
  });
  const same = (a, b) => {
    if (typeof b === 'string' ? a === b : a.byteLength === b.length && new Uint8Array(a).every((byte, i) => byte === b[i])) return;
    throw new Error(`${a.length ?? a.byteLength} that are different came back for ${b.length}`);
  };
  const echo = async (...messages) => {
    for (const message of messages) ws.send(message);
    for (const message of messages) same(await next(), message);
  };
  const opened = new Promise((resolve) => { ws.onopen = () => resolve(ws.extensions); });
  Object.assign(window, { t: { ws, noise, text, echo, ended, opened } });
}

export async function deflate(browser) {
  for (const [args, answer, takeover, bits] of [
    [['--deflate'], 'permessage-deflate', true, 15],
    [['--no-takeover'], 'permessage-deflate; server_no_context_takeover; client_no_context_takeover', false, 15],
    ...[9, 12].map((bits) => (
      [['--window-bits', bits], `permessage-deflate; server_max_window_bits=${bits}; client_max_window_bits=${bits}`, true, bits]
    )),
    [['--no-takeover', '--window-bits', 10], 'permessage-deflate; server_no_context_takeover; client_no_context_takeover; '
      + 'server_max_window_bits=10; client_max_window_bits=10', false, 10],
  ]) {
    const name = args.join(' ');
    const server = await startEcho(...args), between = await relay(server), page = await browser.newPage();
    /** Runs a function in the page, and says how many bytes went over the wire. */
    const cost = async (run, ...rest) => {
      const before = { ...between.wire };
      await page.evaluate(run, ...rest);
      return { sent: between.wire.sent - before.sent, received: between.wire.received - before.received };
    };
    const reconnect = async () => {
      await page.evaluate(prepare);
      assert.equal(await page.evaluate(() => t.opened), answer);
    };
    await check(`${name}: agreed on ${answer}`, async () => {
      await page.goto(between.page);
      await reconnect();
    });
    await check(`${name}: texts`, () => page.evaluate(() => (
      t.echo('', 'a', 'grüße, 世界, 👩🏽‍🚀 and \0', '', '👋'.repeat(20_000), 'repeated '.repeat(10_000), t.text(20_000), '')
    )));
    await check(`${name}: binary, each form of the payload length`, () => page.evaluate(() => (
      t.echo(...[0, 1, 125, 126, 127, 65535, 65536, 0].flatMap((n) => [new Uint8Array(n), t.noise(n)]))
    )));
    await check(`${name}: 1 MiB that compresses well`, async () => {
      const wire = await cost((n) => t.echo(new Uint8Array(n).map((_, i) => i % 50)), MIB);
      assert.ok(wire.sent < MIB / 5 && wire.received < MIB / 5, JSON.stringify(wire));
    });
    await check(`${name}: 1 MiB that does not compress`, async () => {
      const wire = await cost((n) => t.echo(t.noise(n)), MIB);
      assert.ok(wire.sent > 0.99 * MIB && wire.received > 0.99 * MIB, JSON.stringify(wire));
    });
    await check(`${name}: 1,000 messages, ${takeover ? 'one context' : 'each for itself'}`, async () => {
      const wire = await cost(() => t.echo(...Array.from({ length: 1000 }, (_, i) => (
        JSON.stringify({ id: i, a: 'context', b: 'takeover', c: 'across', d: 'messages', e: 'which', f: 'differ' })
      ))));
      for (const bytes of Object.values(wire)) assert.ok(takeover ? bytes < 40_000 : bytes > 60_000, JSON.stringify(wire));
    });
    await check(`${name}: windows are used and kept to`, async () => {
      // Beyond half a window, so that half of it would not do; an encoder leaves 262 bytes of it unused.
      const near = Math.floor((bits > 9 ? 0.7 : 0.4) * 2 ** bits), far = Math.floor(1.4 * 2 ** bits);
      for (const side of ['received', 'sent']) {
        await page.evaluate((n) => t.echo(t.block = t.noise(n)), near);
        const again = (await cost(() => t.echo(t.block)))[side];
        assert.ok(takeover ? again <= 0.2 * near + 60 : again >= near, `${side}: ${again} bytes for ${near} again`);
        if (bits === 15) continue;
        await page.evaluate((n) => t.echo(t.block = t.noise(n)), far);
        for (let i = 0; i < 2; i++) {
          const again = (await cost(() => t.echo(t.block)))[side];
          assert.ok(again >= 0.95 * far, `${side}: ${again} bytes for ${far} outside the window`);
        }
      }
    });
    await check(`${name}: close from the page`, async () => {
      await page.evaluate(() => t.ws.close(3000, 'that was all'));
      assert.deepEqual((await page.evaluate(() => t.ended)).filter((_, i) => i !== 1), [3000, true]);
    });
    await check(`${name}: close from the server`, async () => {
      await reconnect();
      await page.evaluate(() => t.echo('last words '.repeat(100)));
      server.kill('SIGTERM');
      assert.deepEqual(await page.evaluate(() => t.ended), [1001, 'the server shuts down', true]);
      assert.equal(await server.exit, 0, 'exit status');
    });
    await page.close();
    between.close();
    server.kill('SIGKILL');
  }
}
