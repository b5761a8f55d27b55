"""`websockets` as the client of our echo."""

import asyncio
import random
import signal
import socket
import struct
import sys

from lib import Echo, check, code_of, failures, raw, same
from websockets.frames import Opcode
from websockets_deflate import deflate


async def main():
    echo = await Echo.start()
    small = await Echo.start("--max-message", "65536")

    def echoes(*messages):
        async def run():
            async with echo.open() as ws:
                for message in messages:
                    await ws.send(message)
                    same(await ws.recv(), message)

        return run

    async def declined():
        async with echo.open(subprotocols=["chat"]) as ws:
            assert ws.protocol.extensions == [], ws.protocol.extensions
            assert ws.subprotocol is None, ws.subprotocol
            assert "Sec-WebSocket-Extensions" in ws.request.headers
            assert "Sec-WebSocket-Extensions" not in ws.response.headers

    await check("compression and a subprotocol are offered and declined", declined)
    await check("text", echoes("hello"))
    await check("text beyond ASCII", echoes("grüße, 世界, 👩🏽‍🚀 and \0", "👋" * 20_000))
    await check("empty text", echoes("", "after"))
    await check("empty binary", echoes(b"", b"\0"))
    await check("1 MiB of binary", echoes(random.randbytes(1 << 20)))
    await check("15 MiB of binary", echoes(random.randbytes(15 << 20)), 30)

    async def pipelined():
        async with echo.open() as ws:
            for i in range(1000):
                await ws.send(f"message {i}")
            for i in range(1000):
                same(await ws.recv(), f"message {i}")

    await check("1,000 messages without waiting", pipelined)

    async def fragments():
        async with echo.open() as ws:
            await ws.send(["grüße ", "", "in ", "👋 ", "pieces"])
            same(await ws.recv(), "grüße in 👋 pieces")
            pieces = [random.randbytes(n) for n in (1, 0, 125, 126, 65536, 0)]
            await ws.send(pieces)
            same(await ws.recv(), b"".join(pieces))

    await check("fragments of text and binary", fragments)

    async def cut_inside_a_character():
        async with echo.open() as ws:
            data = "a 👋".encode()
            for i, byte in enumerate(data):
                fin = {"fin": i == len(data) - 1}
                raw(ws, (Opcode.CONT if i else Opcode.TEXT, bytes([byte]), fin))
            same(await ws.recv(), "a 👋")

    await check("fragments cut inside a character", cut_inside_a_character)

    async def pings():
        async with echo.open() as ws:
            for payload in (b"", b"ping", random.randbytes(125)):
                # The library takes only a pong with the same payload for an answer.
                await (await ws.ping(payload))

    await check("pings are answered in kind", pings)

    async def pings_between_fragments():
        async with echo.open() as ws:

            async def pieces():
                yield "one "
                await (await ws.ping("first"))
                yield "two "
                await (await ws.ping("second"))
                yield "three"

            await ws.send(pieces())
            same(await ws.recv(), "one two three")

    await check("pings between fragments", pings_between_fragments)

    def close_with(code, reason):
        async def run():
            async with echo.open() as ws:
                await ws.close(code, reason)
                assert ws.close_code == code, ws.close_code
                assert await code_of(ws) == code

        return run

    for code, reason in ((1000, ""), (1011, "trouble"), (3000, "library"), (4999, "r" * 123)):
        await check(f"close with {code} comes back as {code}", close_with(code, reason))

    async def empty_close():
        async with echo.open() as ws:
            raw(ws, (Opcode.CLOSE, b"", {}))
            assert await code_of(ws) == 1005

    await check("close without a code", empty_close)

    async def at_the_limit():
        async with small.open() as ws:
            await ws.send(b"x" * 65536)
            same(await ws.recv(), b"x" * 65536)

    async def over_the_limit(message):
        async with small.open() as ws:
            await ws.send(message)
            assert await code_of(ws) == 1009, ws.close_code

    await check("a message at the limit", at_the_limit)
    await check("a message over the limit is 1009", lambda: over_the_limit(b"x" * 65537))
    await check("a message over the limit in fragments is 1009", lambda: over_the_limit(["x" * 40_000] * 2))

    def breach(code, *frames):
        async def run():
            async with echo.open() as ws:
                raw(ws, *frames)
                got = await code_of(ws)
                assert got == code, got

        return run

    def closing(code):
        return (Opcode.CLOSE, struct.pack("!H", code), {})

    await check("text that is not UTF-8 is 1007", breach(1007, (Opcode.TEXT, b"a\xff", {})))
    halves = (Opcode.TEXT, b"\xf0\x9f", {"fin": False}), (Opcode.CONT, b"x", {})
    await check("a broken character across fragments is 1007", breach(1007, *halves))
    await check("a close reason that is not UTF-8 is 1007", breach(1007, (Opcode.CLOSE, b"\x03\xe8\xff", {})))
    for code in (0, 999, 1005, 1006, 1015, 2000):
        await check(f"close code {code} is 1002", breach(1002, closing(code)))
    await check("a close frame of one byte is 1002", breach(1002, (Opcode.CLOSE, b"\x03", {})))
    await check("a continuation of nothing is 1002", breach(1002, (Opcode.CONT, b"x", {})))

    async def resets():
        for i in range(20):
            async with echo.open() as ws:
                for _ in range(i):
                    await ws.send(random.randbytes(50_000))
                sock = ws.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                ws.transport.abort()
        await echoes("alive")()

    await check("resets of the TCP connection do no harm", resets)

    async def terminated():
        all = [await echo.open() for _ in range(20)]
        await all[0].send("before")
        same(await all[0].recv(), "before")
        echo.process.send_signal(signal.SIGTERM)
        for ws in all:
            got = await code_of(ws)
            assert got == 1001, got
        status = await echo.process.wait()
        assert status == 0, f"exit status {status}"

    await check("SIGTERM closes every connection with 1001", terminated, 15)
    for server in (echo, small):
        if server.process.returncode is None:
            server.process.kill()
            await server.process.wait()
    await deflate()


asyncio.run(main())
sys.exit(1 if failures else 0)
