// `ws` as the server of our client: one path for each thing that a server can do. Prints its address; runs until it
// is killed. The Python server has the same paths, and the same queries, which say how it is to compress.

import { createServer } from 'node:http';
import { deflateRawSync } from 'node:zlib';
import { Sender, WebSocketServer } from 'ws';

const MIB = 1 << 20;
/** Servers by their options of permessage-deflate; without any it is on, and a client that does not offer it must not get it. */
const servers = new Map();
function serverFor(query) {
  const options = {};
  for (const side of ['server', 'client']) {
    if (query.has(`${side}_no_context_takeover`)) options[`${side}NoContextTakeover`] = true;
    if (query.has(`${side}_max_window_bits`)) options[`${side}MaxWindowBits`] = Number(query.get(`${side}_max_window_bits`));
  }
  const perMessageDeflate = !query.has('decline') && { threshold: 0, ...options };
  const key = JSON.stringify(perMessageDeflate);
  if (!servers.has(key)) {
    const server = new WebSocketServer({
      noServer: true, perMessageDeflate, handleProtocols: (offered) => offered.has('chat.v2') ? 'chat.v2' : false,
    });
    server.on('headers', (headers, request) => {
      request.answer = headers.find((line) => line.startsWith('Sec-WebSocket-Extensions: '))?.replace(/^.*?: /, '') ?? '';
    });
    servers.set(key, server);
  }
  return servers.get(key);
}

/** How the connections with an id in their query have ended. */
const endings = new Map();
function ending(id) {
  if (!endings.has(id)) {
    const entry = {};
    entry.promise = new Promise((resolve) => { entry.resolve = resolve; });
    endings.set(id, entry);
  }
  return endings.get(id);
}

const raw = (ws, opcode, payload, options) => {
  const parts = Sender.frame(Buffer.from(payload), { fin: true, rsv1: false, mask: false, opcode, readOnly: true, ...options });
  ws._socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
};

const paths = {
  '/echo': (ws) => ws.on('message', (data, binary) => ws.send(data, { binary })),
  '/close': (ws) => ws.once('message', () => ws.close(4001, 'bye')),
  '/close-empty': (ws) => ws.once('message', () => ws.close()),
  '/fragments': (ws) => {
    for (const piece of ['grüße ', '', 'in ']) ws.send(piece, { fin: false });
    ws.ping('between');
    ws.once('pong', (payload) => {
      ws.send(`${payload} 👋`, { fin: true });
      for (let i = 0; i < 256; i++) ws.send(Buffer.alloc(1000, i), { fin: i === 255 });
    });
  },
  '/empty': (ws) => {
    ws.send('');
    ws.send(Buffer.alloc(0));
  },
  '/large': (ws) => ws.send(Buffer.alloc(8 * MIB, Uint8Array.from({ length: 251 }, (_, i) => i))),
  '/flood': (ws) => {
    for (let i = 0; i < 1000; i++) ws.send(`message ${i}`);
    ws.close(1000, 'that was it');
  },
  '/ping': (ws) => {
    const payloads = [Buffer.alloc(0), Buffer.from('ping'), Buffer.alloc(125, 'p')];
    ws.ping(payloads[0]);
    ws.on('pong', (payload) => {
      if (!payload.equals(payloads.shift())) ws.close(4002, 'another payload');
      else payloads.length ? ws.ping(payloads[0]) : ws.send('ponged');
    });
  },
  '/subprotocol': (ws) => ws.send(ws.protocol),
  '/extensions': (ws, request) => ws.send(JSON.stringify([request.headers['sec-websocket-extensions'] ?? null, request.answer])),
  '/not-utf8': (ws) => raw(ws, 1, [0x61, 0xff]),
  '/masked': (ws) => raw(ws, 1, 'masked', { mask: true }),
  '/close-code': (ws) => raw(ws, 8, [3, 237]),
  '/drop': (ws) => ws.once('message', () => ws._socket.destroySoon()),
  '/reset': (ws) => ws.once('message', () => ws._socket.resetAndDestroy()),
  '/now-and-then': (ws) => {
    for (let i = 0; i < 20; i++) ws.send('now and then '.repeat(50), { compress: i % 3 > 0 });
  },
  '/not-deflate': (ws) => raw(ws, 2, [0xff, 0xff], { rsv1: true }),
  '/not-utf8-deflated': (ws) => raw(ws, 1, deflateRawSync(Buffer.from([0x61, 0xff]), { finishFlush: 2 }).subarray(0, -4), { rsv1: true }),
  '/ended': async (ws, request, id) => ws.send(await ending(id).promise),
};

const server = createServer((request, response) => response.writeHead(404).end('nothing here\n'));
server.on('upgrade', (request, socket, head) => {
  const { pathname, searchParams } = new URL(request.url, 'http://server');
  if (pathname === '/refuse') {
    const body = 'who are you?\n';
    socket.end(`HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    return;
  }
  serverFor(searchParams).handleUpgrade(request, socket, head, (ws) => {
    const id = searchParams.get('id');
    ws.on('error', () => {});
    ws.on('close', (code, reason) => ending(id).resolve(`${code} ${reason}`));
    (paths[pathname] ?? (() => ws.close(4004, 'no such path')))(ws, request, id);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`ws://127.0.0.1:${server.address().port}`));
