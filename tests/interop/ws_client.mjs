// `ws` as the client of our echo.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { check as plainCheck, finish, sleep, startEcho } from './lib.mjs';
import { deflate } from './ws_deflate.mjs';
import { close, equal, frame, open as openAt } from './ws_lib.mjs';

const check = (name, ...rest) => plainCheck(`ws client: ${name}`, ...rest);
const echo = await startEcho();
const small = await startEcho('--max-message', '65536');
const open = (url = echo.url) => openAt(url);

/** Opens, sends, and expects the same back. */
const echoes = (...messages) => async () => {
  const ws = await open();
  for (const message of messages) {
    ws.send(message);
    const back = await ws.next();
    typeof message === 'string' ? assert.equal(back, message) : equal(back, message);
  }
  await close(ws);
};

await check('compression is offered and declined', async () => {
  const ws = await open();
  assert.equal(ws.extensions, '');
  await close(ws);
});
await check('text', echoes('hello'));
await check('text beyond ASCII', echoes('grüße, 世界, 👩🏽‍🚀 and \u0000', '👋'.repeat(20_000)));
await check('empty text', echoes('', 'after'));
await check('empty binary', echoes(Buffer.alloc(0), Buffer.from([0])));
await check('each form of the payload length', echoes(...[125, 126, 127, 65535, 65536].map((n) => randomBytes(n))));
await check('1 MiB of binary', echoes(randomBytes(1 << 20)));
await check('15 MiB of binary', echoes(randomBytes(15 << 20)), 30);
await check('15 MiB of text', echoes('grüße👋 '.repeat((15 << 20) / 12)), 30);

await check('1,000 messages without waiting', async () => {
  const ws = await open();
  for (let i = 0; i < 1000; i++) ws.send(i % 2 ? `message ${i}` : Buffer.from(`message ${i}`));
  for (let i = 0; i < 1000; i++) {
    const back = await ws.next();
    assert.equal(typeof back, i % 2 ? 'string' : 'object');
    assert.equal(back.toString(), `message ${i}`);
  }
  await close(ws);
});

await check('fragments of text, cut inside a character', async () => {
  const ws = await open(), text = Buffer.from('a 👋 in pieces');
  for (let i = 0; i < text.length; i++) ws.send(text.subarray(i, i + 1), { binary: false, fin: i === text.length - 1 });
  assert.equal(await ws.next(), 'a 👋 in pieces');
  await close(ws);
});

await check('fragments of binary, some empty', async () => {
  const ws = await open(), data = randomBytes(100_000);
  for (let i = 0; i < data.length; i += 1000) {
    ws.send(data.subarray(i, i + 1000), { fin: false });
    ws.send(Buffer.alloc(0), { fin: false });
  }
  ws.send(Buffer.alloc(0), { fin: true });
  equal(await ws.next(), data);
  await close(ws);
});

await check('pings of every length are answered in kind', async () => {
  const ws = await open();
  for (const length of [0, 1, 64, 125]) {
    const payload = randomBytes(length), pong = once(ws, 'pong');
    ws.ping(payload);
    equal((await pong)[0], payload);
  }
  await close(ws);
});

await check('pings between fragments', async () => {
  const ws = await open();
  ws.send('one ', { fin: false });
  for (const word of ['two ', 'three ']) {
    const pong = once(ws, 'pong');
    ws.ping(word);
    assert.equal((await pong)[0].toString(), word);
    ws.send(word, { fin: false });
  }
  ws.send('four', { fin: true });
  assert.equal(await ws.next(), 'one two three four');
  await close(ws);
});

await check('a pong that nobody asked for is ignored', async () => {
  const ws = await open();
  ws.pong('unasked');
  ws.send('still here');
  assert.equal(await ws.next(), 'still here');
  await close(ws);
});

for (const [code, reason] of [[1000, ''], [1001, 'away'], [3000, 'library'], [4999, 'r'.repeat(123)]]) {
  await check(`close with ${code} comes back as ${code}`, async () => {
    const ws = await open();
    ws.close(code, reason);
    assert.equal((await ws.ended)[0], code);
  });
}

await check('close without a code', async () => {
  const ws = await open();
  ws.close();
  assert.equal((await ws.ended)[0], 1005);
});

await check('what was sent before the close comes back before it', async () => {
  const ws = await open();
  for (let i = 0; i < 200; i++) ws.send(`${i} ${'x'.repeat(10_000)}`);
  ws.close(3001, 'enough');
  assert.equal((await ws.ended)[0], 3001);
  assert.equal(ws.heard.length, 200);
  assert.ok(ws.heard.every((text, i) => text.startsWith(`${i} `)));
});

await check('a reader that pauses', async () => {
  const ws = await open(), messages = Array.from({ length: 16 }, () => randomBytes(1 << 20));
  ws.pause();
  for (const message of messages) ws.send(message);
  await sleep(500);
  ws.resume();
  for (const message of messages) equal(await ws.next(), message);
  await close(ws);
}, 30);

await check('100 clients at once', async () => {
  const all = await Promise.all(Array.from({ length: 100 }, () => open()));
  await Promise.all(all.map(async (ws, i) => {
    for (let j = 0; j < 10; j++) {
      ws.send(`${i}.${j}`);
      assert.equal(await ws.next(), `${i}.${j}`);
    }
    await close(ws);
  }));
}, 30);

await check('a message at the limit', async () => {
  const ws = await open(small.url), data = randomBytes(65536);
  ws.send(data);
  equal(await ws.next(), data);
  await close(ws);
});
await check('a message over the limit is 1009', async () => {
  const ws = await open(small.url);
  ws.send(randomBytes(65537));
  assert.equal((await ws.ended)[0], 1009);
});
await check('a message over the limit in fragments is 1009', async () => {
  const ws = await open(small.url);
  for (let i = 0; i < 70; i++) ws.send(randomBytes(1000), { fin: false });
  assert.equal((await ws.ended)[0], 1009);
});
await check('a message far over the limit, all of it sent, is 1009', async () => {
  const ws = await open(small.url);
  ws.send(randomBytes(8 << 20));
  assert.equal((await ws.ended)[0], 1009);
});

const closing = (code) => [code >> 8, code & 255];
/** The head of a frame whose payload never comes. */
const begun = Buffer.from('818e00000000', 'hex');

for (const [name, bytes, code] of [
  ['text that is not UTF-8', frame(1, [0x61, 0xff]), 1007],
  ['text that ends inside a character', frame(1, [0xf0, 0x9f, 0x91]), 1007],
  ['text with a surrogate', frame(1, [0xed, 0xa0, 0x80]), 1007],
  ['a close reason that is not UTF-8', frame(8, [...closing(1000), 0xff]), 1007],
  ...[0, 999, 1004, 1005, 1006, 1015, 2999, 5000].map((code) => [`close code ${code}`, frame(8, closing(code)), 1002]),
  ['a close frame of one byte', frame(8, [3]), 1002],
  ['an unmasked frame', frame(1, 'bare', { mask: false }), 1002],
  ['a reserved bit', frame(1, 'rsv1', { rsv1: true }), 1002],
  ['a reserved data opcode', frame(3, 'x'), 1002],
  ['a reserved control opcode', frame(11, 'x'), 1002],
  ['a ping of 126 bytes', frame(9, 'p'.repeat(126)), 1002],
  ['a ping in fragments', frame(9, 'p', { fin: false }), 1002],
  ['a continuation of nothing', frame(0, 'x'), 1002],
  ['a message inside a message', Buffer.concat([frame(1, 'x', { fin: false }), frame(1, 'y')]), 1002],
]) {
  await check(`${name} is ${code}`, async () => {
    const ws = await open();
    ws._socket.write(bytes);
    assert.equal((await ws.ended)[0], code);
  });
}

await check('what came whole before a fault is answered', async () => {
  const ws = await open();
  ws._socket.write(Buffer.concat([frame(1, 'good'), frame(9, 'p'), frame(1, [0xff])]));
  const pong = once(ws, 'pong');
  assert.equal(await ws.next(), 'good');
  assert.equal((await pong)[0].toString(), 'p');
  assert.equal((await ws.ended)[0], 1007);
});

await check('frames that arrive byte by byte', async () => {
  const ws = await open();
  ws._socket.setNoDelay(true);
  for (const byte of Buffer.concat([frame(1, 'drop'), frame(9, 'by'), frame(2, 'drop')])) {
    ws._socket.write(Buffer.from([byte]));
    await sleep(1);
  }
  assert.equal(await ws.next(), 'drop');
  equal(await ws.next(), Buffer.from('drop'));
  await close(ws);
});

await check('resets of the TCP connection do no harm', async () => {
  for (let i = 0; i < 20; i++) {
    const ws = await open();
    if (i % 2) ws._socket.write(begun);
    for (let j = 0; j < i; j++) ws.send(randomBytes(50_000));
    ws._socket.resetAndDestroy();
    await ws.ended;
  }
  await echoes('alive')();
});

await check('SIGTERM closes every connection with 1001', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => open()));
  all[0].send('first', { fin: false });
  all[1].send('before');
  assert.equal(await all[1].next(), 'before');
  echo.kill('SIGTERM');
  for (const ws of all) assert.equal((await ws.ended)[0], 1001);
  assert.equal(await echo.exit, 0, 'exit status');
}, 15);
await check('SIGINT too', async () => {
  const ws = await open(small.url);
  small.kill('SIGINT');
  assert.equal((await ws.ended)[0], 1001);
  assert.equal(await small.exit, 0, 'exit status');
}, 15);
await deflate();
finish();
