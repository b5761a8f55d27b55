// `ws` as the client of our echo, with compression.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { deflateRawSync } from 'node:zlib';
import { check as plainCheck, peak, startEcho } from './lib.mjs';
import { close, equal, frame, open as openAt } from './ws_lib.mjs';

const MIB = 1 << 20;
const check = (name, ...rest) => plainCheck(`ws client, deflate: ${name}`, ...rest);
/** A client with these options of the library's extension, or with this header for its offer. */
const open = (server, options = {}) => openAt(server.url, typeof options === 'string' ? {
  finishRequest(request) {
    request.setHeader('Sec-WebSocket-Extensions', options);
    request.end();
  },
} : { perMessageDeflate: options });

/** Sends a message, expects it back, and says how many bytes went over the wire. */
async function echoed(ws, message, options) {
  const { bytesRead, bytesWritten } = ws._socket;
  ws.send(message, options);
  const back = await ws.next();
  typeof message === 'string' ? assert.equal(back, message) : equal(back, message);
  return { sent: ws._socket.bytesWritten - bytesWritten, received: ws._socket.bytesRead - bytesRead };
}

const texts = [
  '', 'a', 'grüße, 世界, 👩🏽‍🚀 and \u0000', '👋'.repeat(20_000), 'repeated '.repeat(10_000), randomBytes(50_000).toString('base64'), '',
];
const binaries = [Buffer.alloc(0), Buffer.from([0]), Buffer.alloc(100_000), randomBytes(100_000), Buffer.alloc(0)];

/** Holds what goes over the wire against the agreed terms: contexts are kept or not, and windows are used and kept to. */
async function probe(ws, side, takeover, bits) {
  // Beyond half a window, so that half of it would not do; an encoder leaves 262 bytes of it unused.
  const near = randomBytes((bits > 9 ? 0.7 : 0.4) * 2 ** bits), far = randomBytes(1.4 * 2 ** bits);
  const small = (n) => 0.2 * n + 60;
  const cost = async (message) => (await echoed(ws, message))[side];
  const once = await cost(near), again = await cost(near);
  assert.ok(once >= near.length, `${side}: ${once} bytes for ${near.length} of noise`);
  if (takeover) assert.ok(again <= small(near.length), `${side}: ${again} bytes for ${near.length} known ones`);
  else assert.ok(again >= near.length, `${side}: ${again} bytes for ${near.length} that should be forgotten`);
  const twice = await cost(Buffer.concat([near, near]));
  assert.ok(twice <= near.length + small(near.length), `${side}: ${twice} bytes for twice ${near.length}`);
  if (bits === 15) return;
  const twiceFar = await cost(Buffer.concat([far, far]));
  assert.ok(twiceFar >= 1.9 * far.length, `${side}: ${twiceFar} bytes for twice ${far.length} outside the window`);
  // The next message of the peer cannot be inflated if it reaches back farther than agreed.
  for (let i = 0; takeover && i < 2; i++) {
    const alone = await cost(far);
    assert.ok(alone >= 0.95 * far.length, `${side}: ${alone} bytes for ${far.length} outside the window`);
  }
}

/** Terms as the answer has them. */
function written({ serverTakeover, clientTakeover, serverBits, clientBits }, asked) {
  return [
    'permessage-deflate',
    ...serverTakeover ? [] : ['server_no_context_takeover'],
    ...clientTakeover ? [] : ['client_no_context_takeover'],
    ...serverBits < 15 || asked ? [`server_max_window_bits=${serverBits}`] : [],
    ...clientBits < 15 ? [`client_max_window_bits=${clientBits}`] : [],
  ].join('; ');
}

/** All that a connection on these terms must be able to do. */
async function exercise(ws, terms) {
  for (const text of texts) await echoed(ws, text);
  for (const binary of binaries) await echoed(ws, binary);
  await probe(ws, 'received', terms.serverTakeover, terms.serverBits);
  await probe(ws, 'sent', terms.clientTakeover, terms.clientBits);
  for (let i = 0; i < 3; i++) {
    await echoed(ws, Buffer.alloc(5000, 'plain '), { compress: false });
    await echoed(ws, Buffer.alloc(5000, 'compressed '));
  }
  const pieces = [...texts, ...texts], pong = once(ws, 'pong');
  for (const [i, piece] of pieces.entries()) {
    ws.send(piece, { fin: i === pieces.length - 1 });
    ws.ping(`${i}`);
  }
  assert.equal(await ws.next(), pieces.join(''));
  assert.equal((await pong)[0].toString(), '0');
  await close(ws);
}

const takeovers = [[true, true], [false, true], [true, false], [false, false]];
const windows = [[15, 15], [9, 9], [10, 10], [12, 12], [9, 15], [15, 9]];

export async function deflate() {
  const echo = await startEcho('--deflate');

  for (const [serverTakeover, clientTakeover] of takeovers) {
    for (const [serverBits, clientBits] of windows) {
      const terms = { serverTakeover, clientTakeover, serverBits, clientBits };
      await check(`the client asks for ${written(terms)}`, async () => {
        const ws = await open(echo, {
          serverNoContextTakeover: !serverTakeover, clientNoContextTakeover: !clientTakeover || undefined, threshold: 0,
          serverMaxWindowBits: serverBits < 15 && serverBits, clientMaxWindowBits: clientBits < 15 ? clientBits : true,
        });
        assert.equal(ws.answer, written(terms));
        await exercise(ws, terms);
      });
    }
  }
  for (const [args, terms] of [
    [['--no-takeover'], { serverTakeover: false, clientTakeover: false, serverBits: 15, clientBits: 15 }],
    ...[9, 10, 12, 15].map((bits) => (
      [['--window-bits', bits], { serverTakeover: true, clientTakeover: true, serverBits: bits, clientBits: bits }]
    )),
    [['--no-takeover', '--window-bits', 10], { serverTakeover: false, clientTakeover: false, serverBits: 10, clientBits: 10 }],
  ]) {
    await check(`the server asks for ${written(terms)}`, async () => {
      const server = await startEcho(...args);
      const ws = await open(server, { threshold: 0 });
      assert.equal(ws.answer, written(terms));
      await exercise(ws, terms);
      server.kill('SIGKILL');
    });
  }

  const narrow = await startEcho('--window-bits', '10');
  for (const [name, server, offer, answer] of [
    ['nothing', echo, {}, 'permessage-deflate'],
    ['the largest window of the server', echo, { serverMaxWindowBits: 15 }, 'permessage-deflate; server_max_window_bits=15'],
    ['a window of the server that is too small', echo, { serverMaxWindowBits: 8 }, null],
    ['the smallest window of the client', echo, { clientMaxWindowBits: 8 }, 'permessage-deflate; client_max_window_bits=8'],
    ['smaller windows than the server', narrow, { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
      'permessage-deflate; server_max_window_bits=9; client_max_window_bits=9'],
    ['larger windows than the server', narrow, { serverMaxWindowBits: 12, clientMaxWindowBits: 12 },
      'permessage-deflate; server_max_window_bits=10; client_max_window_bits=10'],
    ['no window where the server asks for one', narrow, { clientMaxWindowBits: false }, null],
    ['something else', echo, 'x-webkit-deflate-frame', null],
    ['something else first', echo, 'foo; bar=baz, permessage-deflate', 'permessage-deflate'],
    ['a parameter that nobody knows', echo, 'permessage-deflate; bar', null],
    ['a parameter twice', echo, 'permessage-deflate; server_no_context_takeover; server_no_context_takeover', null],
    ['a value where there is none', echo, 'permessage-deflate; server_no_context_takeover=1', null],
    ['no value where there is one', echo, 'permessage-deflate; server_max_window_bits', null],
    ...['7', '16', '09', '+9', 'x'].map((bits) => (
      [`a window of ${bits}`, echo, `permessage-deflate; client_max_window_bits=${bits}`, null]
    )),
    ['a quoted value', echo, 'permessage-deflate; server_max_window_bits="10"', 'permessage-deflate; server_max_window_bits=10'],
    ['a fallback behind an unknown parameter', echo, 'permessage-deflate; bar, permessage-deflate', 'permessage-deflate'],
    ['a fallback behind a window that is too small', echo,
      'permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=9, permessage-deflate',
      'permessage-deflate; server_max_window_bits=9'],
    ['a fallback that the server needs', narrow, 'permessage-deflate, permessage-deflate; client_max_window_bits',
      'permessage-deflate; server_max_window_bits=10; client_max_window_bits=10'],
    ['no fallback that is needed', echo, 'permessage-deflate, permessage-deflate; server_no_context_takeover', 'permessage-deflate'],
  ]) {
    await check(`a client that offers ${name} is ${answer ? `told ${answer}` : 'declined'}`, async () => {
      const ws = await open(server, offer);
      assert.equal(ws.answer, answer);
      assert.equal(ws.extensions, answer ? 'permessage-deflate' : '');
      for (const message of [...texts, ...binaries]) await echoed(ws, message);
      const { received } = await echoed(ws, Buffer.alloc(10_000, 'x'));
      assert.ok(answer ? received < 1000 : received > 10_000, `${received} bytes`);
      await close(ws);
    });
  }

  await check('small messages are not compressed, and both ends say so for themselves', async () => {
    const ws = await open(echo, { clientNoContextTakeover: true, threshold: 1000 });
    const text = (n) => 'x'.repeat(n);
    // The echo compresses from 64 bytes on.
    let wire = await echoed(ws, text(63));
    assert.ok(wire.sent > 63 && wire.received > 63, JSON.stringify(wire));
    wire = await echoed(ws, text(999));
    assert.ok(wire.sent > 999 && wire.received < 50, JSON.stringify(wire));
    wire = await echoed(ws, text(1000));
    assert.ok(wire.sent < 50 && wire.received < 50, JSON.stringify(wire));
    await close(ws);
  });
  for (const level of [0, 1, 9]) {
    await check(`the client compresses at level ${level}`, async () => {
      const ws = await open(echo, { threshold: 0, zlibDeflateOptions: { level } });
      for (const message of [...texts, ...binaries]) await echoed(ws, message);
      await close(ws);
    });
  }
  await check('8 MiB that compress well', async () => {
    const ws = await open(echo);
    const wire = await echoed(ws, Buffer.alloc(8 * MIB, 'what compresses well, '));
    assert.ok(wire.sent < 100_000 && wire.received < 100_000, JSON.stringify(wire));
    await close(ws);
  });
  await check('8 MiB that do not compress', async () => {
    const ws = await open(echo);
    await echoed(ws, randomBytes(8 * MIB));
    await close(ws);
  });
  await check('4 MiB of text in 1,000 compressed fragments', async () => {
    const ws = await open(echo), piece = Buffer.from(randomBytes(1500).toString('base64') + '👋'.repeat(500) + 'ü');
    for (let i = 0; i < 1000; i++) {
      // Cut inside characters.
      ws.send(piece.subarray(0, 2001 + i % 4), { binary: false, fin: false });
      ws.send(piece.subarray(2001 + i % 4), { fin: i === 999 });
    }
    const back = await ws.next();
    assert.ok(back === piece.toString().repeat(1000), 'the text is different');
    await close(ws);
  });
  await check('1,000 messages without waiting, one context', async () => {
    const ws = await open(echo), message = (i) => JSON.stringify({ id: i, name: `message ${i}`, tags: ['context', 'takeover', 'across', 'messages'] });
    const before = ws._socket.bytesRead;
    for (let i = 0; i < 1000; i++) ws.send(message(i));
    for (let i = 0; i < 1000; i++) assert.equal(await ws.next(), message(i));
    const received = ws._socket.bytesRead - before;
    assert.ok(received < 40_000, `${received} bytes`);
    await close(ws);
  });
  await check('50 clients at once, each with contexts of its own', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => open(echo, { threshold: 0 })));
    await Promise.all(all.map(async (ws, i) => {
      for (let j = 0; j < 10; j++) await echoed(ws, `${i} says ${i * j}, `.repeat(100));
      await close(ws);
    }));
  });
  await check('what was sent before the close comes back before it', async () => {
    const ws = await open(echo, { threshold: 0 });
    for (let i = 0; i < 200; i++) ws.send(`${i} ${'x'.repeat(10_000)}`);
    ws.close(3001, 'enough');
    assert.equal((await ws.ended)[0], 3001);
    assert.equal(ws.heard.length, 200);
    assert.ok(ws.heard.every((text, i) => text.startsWith(`${i} `)));
  });

  // What follows is not written by the library. Without the flush the last block is marked as such.
  const flushed = (data, options) => deflateRawSync(data, { finishFlush: 2, ...options }).subarray(0, -4);
  const compressed = (opcode, payload, options) => frame(opcode, payload, { rsv1: true, ...options });
  const plain = Buffer.from('hello, hello, hello, who is there? '.repeat(5));
  const payload = flushed(plain);
  for (const [name, bytes] of [
    ['in fragments of one byte', Buffer.concat([...payload].map((byte, i) => (
      frame(i ? 0 : 2, [byte], { rsv1: !i, fin: i === payload.length - 1 })
    )))],
    ['with empty fragments', Buffer.concat([
      compressed(2, [], { fin: false }), frame(0, payload.subarray(0, 7), { fin: false }), frame(0, [], { fin: false }),
      frame(9, 'ping'), frame(0, payload.subarray(7), { fin: false }), frame(0, []),
    ])],
    ['not compressed at all', compressed(2, flushed(plain, { level: 0 }))],
    ['in fixed Huffman codes', compressed(2, flushed(plain, { strategy: 4 }))],
    ['in several blocks', compressed(2, Buffer.concat([deflateRawSync(plain.subarray(0, 60), { finishFlush: 2 }), flushed(plain.subarray(60))]))],
    ['with a block marked as the last', compressed(2, Buffer.concat([deflateRawSync(plain), Buffer.from([0])]))],
  ]) {
    await check(`a message ${name}`, async () => {
      const ws = await open(echo);
      for (let i = 0; i < 3; i++) {
        ws._socket.write(bytes);
        equal(await ws.next(), plain);
      }
      await close(ws);
    });
  }
  for (const offer of ['permessage-deflate', 'permessage-deflate; client_no_context_takeover']) {
    const takeover = !offer.includes('takeover');
    await check(`a message that needs the one before it ${takeover ? 'has it with' : 'is 1007 without'} context takeover`, async () => {
      const ws = await open(echo, offer);
      ws._socket.write(compressed(2, payload));
      equal(await ws.next(), plain);
      ws._socket.write(compressed(2, flushed(plain, { dictionary: plain })));
      if (!takeover) return assert.equal((await ws.ended)[0], 1007);
      equal(await ws.next(), plain);
      await close(ws);
    });
  }
  for (const [name, bytes, code] of [
    ['a block of a reserved type', compressed(2, [0xff, 0xff]), 1007],
    ['a stored block with a wrong length', compressed(2, [0x00, 0x05, 0x00, 0x00, 0x00, 0x61]), 1007],
    ['a reference to before the first byte', compressed(2, flushed(plain, { dictionary: plain })), 1007],
    ['a stored block that lacks as much as the tail has', compressed(2, [0x00, 0x05, 0x00, 0xfa, 0xff, 0x61]), 1007],
    ['a stored block that is cut', compressed(2, [0x00, 0x0a, 0x00, 0xf5, 0xff, 0x61]), 1007],
    ['a compressed message that is cut', compressed(2, payload.subarray(0, 14)), 1007],
    ['a block marked as the last with nothing behind it', compressed(2, deflateRawSync(plain)), 1007],
    ['a compressed message without a block', compressed(2, []), 1007],
    ['a fault in the middle of a message', compressed(2, Buffer.concat([flushed(randomBytes(100_000)), Buffer.alloc(100, 0xff)])), 1007],
    ['a fault in a later fragment', Buffer.concat([
      compressed(2, deflateRawSync(plain, { finishFlush: 2 }), { fin: false }), frame(0, [0xff, 0xff]),
    ]), 1007],
    ['compressed text that is not UTF-8', compressed(1, flushed(Buffer.from([0x61, 0xff]))), 1007],
    ['compressed text that ends inside a character', compressed(1, flushed(Buffer.from('👋').subarray(0, 3))), 1007],
    ['a continuation that says it is compressed', Buffer.concat([compressed(2, payload, { fin: false }), compressed(0, [])]), 1002],
    ['a ping that says it is compressed', compressed(9, payload), 1002],
    ['a close that says it is compressed', compressed(8, payload), 1002],
  ]) {
    await check(`${name} is ${code}`, async () => {
      const ws = await open(echo);
      await echoed(ws, 'before');
      ws._socket.write(bytes);
      assert.equal((await ws.ended)[0], code);
    });
  }
  await check('a compressed message without compression is 1002', async () => {
    const ws = await open(echo, 'permessage-deflate; bar');
    ws._socket.write(compressed(2, payload));
    assert.equal((await ws.ended)[0], 1002);
  });

  const bomb = flushed(Buffer.alloc(64 * MIB), { level: 9 });
  for (const [name, bytes] of [
    ['in one frame', compressed(2, bomb)],
    ['in fragments', Buffer.concat([compressed(2, [], { fin: false }), ...Array.from({ length: Math.ceil(bomb.length / 1000) }, (_, i) => (
      frame(0, bomb.subarray(1000 * i, 1000 * (i + 1)), { fin: false })
    ))])],
    ['as text', compressed(1, bomb)],
  ]) {
    await check(`64 MiB in ${bomb.length} bytes, ${name}, is 1009 and costs little`, async () => {
      const server = await startEcho('--deflate', '--max-message', '1048576');
      const ws = await open(server);
      await echoed(ws, Buffer.alloc(1000));
      const before = peak(server.pid);
      ws._socket.write(bytes);
      assert.equal((await ws.ended)[0], 1009);
      const grown = peak(server.pid) - before;
      assert.ok(grown < 4096, `grown by ${grown} KiB`);
      server.kill('SIGKILL');
    });
  }
  await check('a compressed message at the limit', async () => {
    const server = await startEcho('--deflate', '--max-message', '1048576');
    const ws = await open(server);
    await echoed(ws, Buffer.alloc(MIB));
    ws.send(Buffer.alloc(MIB + 1));
    assert.equal((await ws.ended)[0], 1009);
    server.kill('SIGKILL');
  });
  await check('SIGTERM closes every connection with 1001', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => open(echo)));
    all[0].send('x'.repeat(2000), { fin: false });
    await echoed(all[1], 'x'.repeat(2000));
    echo.kill('SIGTERM');
    for (const ws of all) assert.equal((await ws.ended)[0], 1001);
    assert.equal(await echo.exit, 0, 'exit status');
  }, 15);
  narrow.kill('SIGKILL');
}
