// What the suites of `ws` as a client share.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket, { Sender } from 'ws';

/**
 * A client that queues what it hears, and knows the extensions of the server's answer. Its offer of permessage-deflate
 * is the library's default, unless the options say otherwise.
 */
export async function open(url, options = {}) {
  const ws = new WebSocket(url, options);
  const heard = [], waiting = [];
  ws.on('message', (data, binary) => {
    const message = binary ? data : data.toString();
    waiting.length ? waiting.shift().resolve(message) : heard.push(message);
  });
  ws.on('close', (code) => waiting.forEach(({ reject }) => reject(new Error(`closed with ${code}`))));
  ws.next = () => heard.length ? heard.shift() : new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  ws.heard = heard;
  ws.ended = new Promise((resolve) => ws.on('close', (code, reason) => resolve([code, reason.toString()])));
  ws.on('upgrade', (reply) => { ws.answer = reply.headers['sec-websocket-extensions'] ?? null; });
  await once(ws, 'open');
  ws.on('error', () => {});
  return ws;
}

/** Closes, and expects the same back. */
export async function close(ws) {
  ws.close(1000);
  assert.deepEqual(await ws.ended, [1000, '']);
}

/** Not a bare comparison: the report of megabytes would be megabytes. */
export function equal(a, b) {
  assert.ok(Buffer.isBuffer(a), 'not a binary message');
  assert.equal(a.length, b.length);
  assert.ok(a.equals(b), 'the bytes are different');
}

/** The frame as the library writes it, without the library's checks. */
export function frame(opcode, payload, { mask = true, ...rest } = {}) {
  const options = { fin: true, rsv1: false, opcode, mask, readOnly: true, ...rest };
  return Buffer.concat(Sender.frame(Buffer.from(payload), options).map((part) => Buffer.from(part)));
}
