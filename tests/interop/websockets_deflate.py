"""`websockets` as the client of our echo, with compression."""

import itertools
import random
import signal
import zlib

from lib import Echo, check, code_of, raw, same
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer
from websockets.frames import Opcode

MIB = 1 << 20
TEXTS = [
    "", "a", "grüße, 世界, 👩🏽‍🚀 and \0", "👋" * 20_000, "repeated " * 10_000, random.randbytes(25_000).hex(), "",
]  # fmt: skip
BINARIES = [b"", b"\0", bytes(100_000), random.randbytes(100_000), b""]


class Odd(Offer):
    """An offer with parameters that are not the library's."""

    def __init__(self, *params):
        super().__init__()
        self.params = params

    def get_request_params(self):
        return [*super().get_request_params(), *self.params]


def open_with(echo, *offers):
    return echo.open(compression=None, extensions=offers)


def answer(ws):
    return ws.response.headers.get("Sec-WebSocket-Extensions")


def count(ws):
    """Counts the bytes on the wire from now on."""
    wire = {"sent": 0, "received": 0}
    receive, send = ws.protocol.receive_data, ws.protocol.data_to_send

    def receive_data(data):
        wire["received"] += len(data)
        receive(data)

    def data_to_send():
        data = send()
        wire["sent"] += sum(map(len, data))
        return data

    ws.protocol.receive_data, ws.protocol.data_to_send = receive_data, data_to_send
    return wire


async def echoed(ws, message, wire=None):
    """Sends a message, expects it back, and says how many bytes went over the wire."""
    before = dict(wire or {})
    await ws.send(message)
    same(await ws.recv(), message if isinstance(message, (str, bytes)) else message[0][:0].join(message))
    return {side: wire[side] - before[side] for side in before}


async def uncompressed(ws, message):
    raw(ws, (Opcode.BINARY, message, {}))
    same(await ws.recv(), message)


async def probe(ws, wire, side, takeover, bits):
    """Holds what goes over the wire against the agreed terms: contexts are kept or not, windows are used and kept to."""
    # Beyond half a window, so that half of it would not do; an encoder leaves 262 bytes of it unused.
    near, far = (random.randbytes(int(part * 2**bits)) for part in (0.7 if bits > 9 else 0.4, 1.4))

    async def cost(message):
        return (await echoed(ws, message, wire))[side]

    def small(n):
        return 0.2 * n + 60

    once, again = await cost(near), await cost(near)
    assert once >= len(near), f"{side}: {once} bytes for {len(near)} of noise"
    if takeover:
        assert again <= small(len(near)), f"{side}: {again} bytes for {len(near)} known ones"
    else:
        assert again >= len(near), f"{side}: {again} bytes for {len(near)} that should be forgotten"
    twice = await cost(near + near)
    assert twice <= len(near) + small(len(near)), f"{side}: {twice} bytes for twice {len(near)}"
    if bits == 15:
        return
    twice = await cost(far + far)
    assert twice >= 1.9 * len(far), f"{side}: {twice} bytes for twice {len(far)} outside the window"
    # The next message of the peer cannot be inflated if it reaches back farther than agreed.
    for _ in range(2 if takeover else 0):
        alone = await cost(far)
        assert alone >= 0.95 * len(far), f"{side}: {alone} bytes for {len(far)} outside the window"


def written(server_takeover, client_takeover, server_bits, client_bits):
    """Terms as the answer has them."""
    parts = ["permessage-deflate"]
    parts += [] if server_takeover else ["server_no_context_takeover"]
    parts += [] if client_takeover else ["client_no_context_takeover"]
    parts += [f"server_max_window_bits={server_bits}"] if server_bits < 15 else []
    parts += [f"client_max_window_bits={client_bits}"] if client_bits < 15 else []
    return "; ".join(parts)


async def exercise(ws, server_takeover, client_takeover, server_bits, client_bits):
    """All that a connection on these terms must be able to do."""
    wire = count(ws)
    for message in TEXTS + BINARIES:
        await echoed(ws, message)
    await probe(ws, wire, "received", server_takeover, server_bits)
    await probe(ws, wire, "sent", client_takeover, client_bits)
    for _ in range(3):
        await uncompressed(ws, b"plain " * 1000)
        await echoed(ws, b"compressed " * 1000)
    await echoed(ws, TEXTS * 2)
    await echoed(ws, BINARIES * 2)

    async def pieces():
        for text in TEXTS:
            yield text
            await (await ws.ping(f"behind {len(text)}"))

    await ws.send(pieces())
    same(await ws.recv(), "".join(TEXTS))


async def peak(echo):
    """The most memory that a process has held, in KiB."""
    with open(f"/proc/{echo.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


async def stop(echo):
    echo.process.kill()
    await echo.process.wait()


def flushed(data, level=6):
    compressor = zlib.compressobj(level=level, wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


async def deflate():
    async def run(name, what, *args):
        await check(f"deflate: {name}", what, *args)

    echo = await Echo.start("--deflate")

    async def default():
        async with echo.open() as ws:
            assert answer(ws) == "permessage-deflate", answer(ws)
            await exercise(ws, True, True, 15, 15)

    await run("the default offer", default)

    def asked(server_takeover, client_takeover, server_bits, client_bits):
        async def run():
            offer = Offer(
                not server_takeover,
                not client_takeover,
                server_bits if server_bits < 15 else None,
                client_bits if client_bits < 15 else None,
            )
            terms = server_takeover, client_takeover, server_bits, client_bits
            async with open_with(echo, offer) as ws:
                assert answer(ws) == written(*terms), answer(ws)
                await exercise(ws, *terms)

        return run

    for (server_bits, client_bits), client_takeover, server_takeover in itertools.product(
        ((15, 15), (9, 9), (10, 10), (12, 12), (9, 15), (15, 9)), (True, False), (True, False)
    ):
        terms = server_takeover, client_takeover, server_bits, client_bits
        await run(f"the client asks for {written(*terms)}", asked(*terms))

    def imposed(terms, *args):
        async def run():
            server = await Echo.start(*args)
            async with server.open() as ws:
                assert answer(ws) == written(*terms), answer(ws)
                await exercise(ws, *terms)
            await stop(server)

        return run

    for terms, *args in (
        ((False, False, 15, 15), "--no-takeover"),
        *(((True, True, bits, bits), "--window-bits", str(bits)) for bits in (9, 10, 12, 15)),
        ((False, False, 12, 12), "--window-bits", "12", "--no-takeover"),
    ):
        await run(f"the server asks for {written(*terms)}", imposed(terms, *args))

    narrow = await Echo.start("--window-bits", "10")

    def offered(server, offers, expected):
        async def run():
            async with open_with(server, *offers) as ws:
                assert answer(ws) == expected, answer(ws)
                assert [extension.name for extension in ws.protocol.extensions] == ["permessage-deflate"] * bool(expected)
                wire = count(ws)
                for message in TEXTS + BINARIES:
                    await echoed(ws, message)
                received = (await echoed(ws, b"x" * 10_000, wire))["received"]
                assert received < 1000 if expected else received > 10_000, f"{received} bytes"

        return run

    for name, server, offers, expected in (
        ("a window of the server that is too small", echo, [Offer(server_max_window_bits=8)], None),
        ("a parameter that nobody knows", echo, [Odd(("bar", None))], None),
        ("a window twice", echo, [Odd(("client_max_window_bits", "10"))], None),
        ("no window where the server asks for one", narrow, [Offer(client_max_window_bits=None)], None),
        ("an offer that fits behind two that do not", echo,
         [Odd(("bar", "1")), Offer(server_max_window_bits=8), Offer(server_max_window_bits=9), Offer()],
         "permessage-deflate; server_max_window_bits=9"),
        ("two offers that fit", echo, [Offer(server_no_context_takeover=True), Offer()],
         "permessage-deflate; server_no_context_takeover"),
        ("larger windows than the server", narrow, [Offer(False, False, 15, 15)],
         "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10"),
        ("a smaller window of the client than the server", narrow, [Offer(client_max_window_bits=9)],
         "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"),
    ):  # fmt: skip
        told = f"is told {expected}" if expected else "is declined"
        await run(f"a client that offers {name} {told}", offered(server, offers, expected))

    def at_level(level):
        async def run():
            async with open_with(echo, Offer(compress_settings={"level": level, "memLevel": 1})) as ws:
                for message in TEXTS + BINARIES:
                    await echoed(ws, message)

        return run

    for level in (0, 1, 9):
        await run(f"the client compresses at level {level}", at_level(level))

    async def large():
        async with echo.open() as ws:
            wire = await echoed(ws, b"what compresses well, " * (8 * MIB // 22), count(ws))
            assert max(wire.values()) < 100_000, wire
            await echoed(ws, random.randbytes(4 * MIB))

    await run("8 MiB that compress well, and 4 that do not", large)

    async def pipelined():
        async with echo.open() as ws:
            wire = count(ws)
            messages = [f'{{"id": {i}, "tags": ["context", "takeover", "across", "messages"]}}' for i in range(1000)]
            for message in messages:
                await ws.send(message)
            for message in messages:
                same(await ws.recv(), message)
            assert wire["received"] < 40_000, wire

    await run("1,000 messages without waiting, one context", pipelined)

    async def closed():
        async with echo.open() as ws:
            await echoed(ws, "x" * 1000)
            await ws.close(3000, "library")
            assert await code_of(ws) == 3000, ws.close_code

    await run("close from the client", closed)

    def breach(code, *frames):
        async def run():
            async with echo.open() as ws:
                await echoed(ws, "before")
                raw(ws, *frames)
                got = await code_of(ws)
                assert got == code, got

        return run

    rsv1 = {"rsv1": True}
    for name, code, *frames in (
        ("a block of a reserved type", 1007, (Opcode.BINARY, b"\xff\xff", rsv1)),
        ("a stored block with a wrong length", 1007, (Opcode.BINARY, b"\x00\x05\x00\x00\x00a", rsv1)),
        ("compressed text that is not UTF-8", 1007, (Opcode.TEXT, flushed(b"a\xff"), rsv1)),
        ("a continuation that says it is compressed", 1002,
         (Opcode.TEXT, b"", {"fin": False, **rsv1}), (Opcode.CONT, flushed(b"a"), rsv1)),
        ("a ping that says it is compressed", 1002, (Opcode.PING, flushed(b"a"), rsv1)),
    ):  # fmt: skip
        await run(f"{name} is {code}", breach(code, *frames))

    async def bomb():
        server = await Echo.start("--deflate", "--max-message", str(MIB))
        async with server.open() as ws:
            await echoed(ws, bytes(1000))
            before = await peak(server)
            raw(ws, (Opcode.BINARY, flushed(bytes(64 * MIB), level=9), rsv1))
            got = await code_of(ws)
            assert got == 1009, got
            grown = await peak(server) - before
            assert grown < 4096, f"grown by {grown} KiB"
        await stop(server)

    await run("64 MiB of zeros, compressed, is 1009 and costs little", bomb)

    async def terminated():
        all = [await echo.open() for _ in range(10)]
        await echoed(all[0], "x" * 2000)
        echo.process.send_signal(signal.SIGTERM)
        for ws in all:
            got = await code_of(ws)
            assert got == 1001, got
        status = await echo.process.wait()
        assert status == 0, f"exit status {status}"

    await run("SIGTERM closes every connection with 1001", terminated, 15)
    await stop(narrow)
    if echo.process.returncode is None:
        await stop(echo)
