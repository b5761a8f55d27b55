"""What the suites of `websockets` as a client share."""

import asyncio
import os
import re

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame

failures = []


async def check(name, run, seconds=10):
    """Runs one check and prints its line."""
    try:
        await asyncio.wait_for(run(), seconds)
    except Exception as error:
        failures.append(name)
        said = f"no end after {seconds} s" if isinstance(error, TimeoutError) else f"{type(error).__name__} {error}"
        print(f"FAIL websockets client: {name}: {said}".replace("\n", " | ")[:400], flush=True)
    else:
        print(f"ok websockets client: {name}", flush=True)


class Echo:
    """The echo example on a free port of the loopback interface."""

    @classmethod
    async def start(cls, *args):
        self = cls()
        self.process = await asyncio.create_subprocess_exec(
            os.environ["ECHO"], "--addr", "127.0.0.1:0", *args, stdout=asyncio.subprocess.PIPE
        )
        while line := await asyncio.wait_for(self.process.stdout.readline(), 10):
            if found := re.search(rb"ws://[\d.]+:[1-9]\d*/ws", line):
                self.url = found[0].decode()
                return self
        raise RuntimeError("echo did not say its address")

    def open(self, **options):
        # The offer of permessage-deflate is the library's default, unless the options say otherwise.
        return connect(self.url, max_size=None, proxy=None, **options)


def same(back, sent):
    """Not a bare comparison: the report of megabytes would be megabytes."""
    assert type(back) is type(sent), f"{type(back)} for {type(sent)}"
    assert back == sent, f"different: {len(back)} for {len(sent)}"


async def code_of(ws):
    """Reads to the end, and gives the close code that the peer sent."""
    try:
        while True:
            await ws.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def raw(ws, *frames):
    """Frames that the library would not send by itself."""
    for opcode, data, options in frames:
        frame = bytearray(Frame(opcode, data, fin=options.get("fin", True)).serialize(mask=True))
        frame[0] |= 0x40 if options.get("rsv1") else 0
        ws.transport.write(frame)
