"""System calls."""

import re
import subprocess
import tempfile

from .contestants import CELLS, Server, fail, note, table


def syscalls(name, cell):
    """The difference of two runs, so that the start and the handshake drop out."""
    messages = CELLS[cell][1]
    totals = []
    for count in (messages, 2 * messages):
        with tempfile.NamedTemporaryFile("r") as out:
            tool = ["strace", "-f", "-c", "-U", "calls,name", "-o", out.name]
            with Server(name, "--once", tool=tool) as server:
                server.load("run", cell, count)
                try:
                    server.process.wait(60)
                except subprocess.TimeoutExpired:
                    fail(f"{name} does not end with its connection")
            calls = [line.split() for line in out.read().splitlines() if re.match(r"\s*\d+ ", line)]
        totals.append(sum(int(count) for count, call in calls if call != "total"))
    return (totals[1] - totals[0]) / messages


def print_table(names, cells):
    rows = []
    for name in names:
        note(f"system calls, {name}")
        rows.append((name, [f"{syscalls(name, cell):.2f}" for cell in cells]))
    table("System calls per message, waiting included", [CELLS[cell][0] for cell in cells], rows)
