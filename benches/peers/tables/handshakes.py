"""Opening handshakes."""

import re
import statistics
import tempfile

from .contestants import Server, fail, interleaved, note, number, ratio, table
from .instructions import instructions

# Those whose library reads the request; floor's is taken for granted and its answer a constant.
NAMES = ["raw", "floor", "sansocket", "sansocket-no-keepalive", "tokio-tungstenite", "tokio-websockets", "sockudo-ws",
         "soketto"]


def print_table(names, rounds):
    names = ["raw", *(name for name in NAMES if name in names and name != "raw")]

    def measure(name, _):
        with Server(name) as server:
            time, _, count = server.load("handshakes", 60, server.pid)
        return time / count

    times = interleaved("handshakes", rounds, [""], names, measure)
    rows = []
    for name in names:
        note(f"handshakes, {name}")
        mine, raw = times[name, ""], times["raw", ""]
        blocks, size = allocated(name)
        rows.append((name, [ratio(mine, raw), number(1e9 / statistics.median(mine)), number(instructions(name, "handshakes")),
                            number(blocks), number(size)]))
    table("Opening handshakes, each on a connection that is opened for it and closed again: medians of "
          f"{rounds} interleaved rounds", ["CPU time, as a ratio to raw", "in a second of CPU time", "instructions",
          "allocations", "bytes allocated"], rows)


def allocated(name):
    """The difference of two runs, so that the start drops out."""
    totals = []
    for count in (10, 30):
        with tempfile.NamedTemporaryFile("r") as log:
            tool = ["valgrind", "--tool=dhat", "--dhat-out-file=/dev/null", f"--log-file={log.name}"]
            with Server(name, tool=tool) as server:
                _, _, done = server.load("handshakes", count, server.pid)
                server.process.terminate()
                server.process.wait()
            total = re.search(r"Total:\s+([\d,]+) bytes in ([\d,]+) blocks", log.read())
        if not total:
            fail(f"{name}: valgrind has not counted what is allocated")
        size, blocks = (int(text.replace(",", "")) for text in total.groups())
        # A quarter more was done to warm up.
        totals.append((blocks, size, done + 16 * -(-count // 4)))
    (blocks, size, done), (more_blocks, more_size, more_done) = totals
    return (more_blocks - blocks) / (more_done - done), (more_size - size) / (more_done - done)
