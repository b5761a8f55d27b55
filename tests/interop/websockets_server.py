"""`websockets` as the server of our client: the paths of ws_server.mjs. Prints its address; runs until it is killed."""

import asyncio
import collections
import http
import json
import socket
import struct
import urllib.parse
import zlib

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

endings = collections.defaultdict(lambda: asyncio.get_running_loop().create_future())


def raw(ws, opcode, payload, mask=False, rsv1=False):
    frame = bytearray(Frame(opcode, payload).serialize(mask=mask))
    frame[0] |= 0x40 if rsv1 else 0
    ws.transport.write(frame)


async def echo(ws, _):
    async for message in ws:
        await ws.send(message)


async def close(ws, _):
    await ws.recv()
    await ws.close(4001, "bye")


async def close_empty(ws, _):
    await ws.recv()
    raw(ws, Opcode.CLOSE, b"")
    await ws.wait_closed()


async def fragments(ws, _):
    async def pieces():
        for piece in ("grüße ", "", "in "):
            yield piece
        await (await ws.ping("between"))
        yield "between 👋"

    await ws.send(pieces())
    await ws.send([bytes([i]) * 1000 for i in range(256)])


async def empty(ws, _):
    await ws.send("")
    await ws.send(b"")


async def large(ws, _):
    size = 8 << 20
    await ws.send((bytes(range(251)) * (size // 251 + 1))[:size])


async def flood(ws, _):
    for i in range(1000):
        await ws.send(f"message {i}")
    await ws.close(1000, "that was it")


async def ping(ws, _):
    for payload in (b"", b"ping", b"p" * 125):
        await (await ws.ping(payload))
    await ws.send("ponged")


async def subprotocol(ws, _):
    await ws.send(ws.subprotocol or "")


async def extensions(ws, _):
    offered = ws.request.headers.get("Sec-WebSocket-Extensions")
    await ws.send(json.dumps([offered, ws.response.headers.get("Sec-WebSocket-Extensions", "")]))


async def not_utf8(ws, _):
    raw(ws, Opcode.TEXT, b"a\xff")


async def masked(ws, _):
    raw(ws, Opcode.TEXT, b"masked", mask=True)


async def close_code(ws, _):
    raw(ws, Opcode.CLOSE, struct.pack("!H", 1005))


async def now_and_then(ws, _):
    for i in range(20):
        message = "now and then " * 50
        if i % 3:
            await ws.send(message)
        else:
            raw(ws, Opcode.TEXT, message.encode())


async def not_deflate(ws, _):
    raw(ws, Opcode.BINARY, b"\xff\xff", rsv1=True)


async def not_utf8_deflated(ws, _):
    compressor = zlib.compressobj(wbits=-15)
    payload = compressor.compress(b"a\xff") + compressor.flush(zlib.Z_SYNC_FLUSH)
    raw(ws, Opcode.TEXT, payload[:-4], rsv1=True)


async def drop(ws, _):
    await ws.recv()
    ws.transport.close()


async def reset(ws, _):
    await ws.recv()
    sock = ws.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ws.transport.abort()


async def ended(ws, of):
    await ws.send(await endings[of])


PATHS = {
    "/" + path.__name__.replace("_", "-"): path
    for path in (
        echo, close, close_empty, fragments, empty, large, flood, ping, subprotocol, extensions,
        not_utf8, masked, close_code, now_and_then, not_deflate, not_utf8_deflated, drop, reset, ended,
    )
}  # fmt: skip


def prepare(ws, request):
    """Refuses, or sets how to compress."""
    if request.path == "/refuse":
        return ws.respond(http.HTTPStatus.UNAUTHORIZED, "who are you?\n")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query, keep_blank_values=True)
    terms = {
        f"{side}_{term}": int(query[f"{side}_{term}"][0] or 1)
        for side in ("server", "client")
        for term in ("no_context_takeover", "max_window_bits")
        if f"{side}_{term}" in query
    }
    if "decline" in query:
        ws.protocol.available_extensions = []
    elif terms or "any" in query:
        ws.protocol.available_extensions = [ServerPerMessageDeflateFactory(**terms)]


async def handler(ws):
    url = urllib.parse.urlsplit(ws.request.path)
    of = urllib.parse.parse_qs(url.query).get("id", [""])[0]
    path = PATHS.get(url.path)
    if path is None:
        return await ws.close(4004, "no such path")
    try:
        await path(ws, of)
        await ws.wait_closed()
    except ConnectionClosed:
        await ws.wait_closed()
    if path is not ended and not endings[of].done():
        endings[of].set_result(f"{ws.close_code} {ws.close_reason}")


def select(_, offered):
    return "chat.v2" if "chat.v2" in offered else None


async def main():
    options = {"process_request": prepare, "select_subprotocol": select, "max_size": None}
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


asyncio.run(main())
