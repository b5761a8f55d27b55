"""The contestants, their servers, the load, and how a table is printed."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent

# In the order of the tables, with what each leaves out of the work, or is not asked to do.
CONTESTANTS = {
    "raw": "no WebSocket",
    "floor": "data frames only",
    "sansocket": "",
    "sansocket-no-keepalive": "as most of the others are",
    "fastwebsockets": "takes unmasked frames",
    "tokio-tungstenite": "",
    "tokio-websockets": "",
    "sockudo-ws": "",
    "yawc": "",
    "wtx": "",
    "soketto": "takes unmasked frames; no UTF-8 check of its own, the server makes it",
}

# How many messages are sent under valgrind or strace (twice as many in the second run), and in a round on the clock on each
# of so many connections: with one, most of what is measured is waking up.
CELLS = {
    "16": ("16 B one at a time", 500, 1000, 16),
    "20x64": ("20 B, bursts of 64", 3200, 9600, 16),
    "1k": ("1 KiB", 500, 1000, 16),
    "128-ascii": ("128 B ASCII text", 500, 1000, 16),
    "4k-mixed": ("4 KiB mixed UTF-8 text", 200, 800, 16),
    "64k": ("64 KiB", 32, 120, 16),
    "1m": ("1 MiB", 8, 300, 1),
    "16m": ("16 MiB", 2, 30, 1),
}

BINARIES = {}
RUNTIME = []


def fail(text):
    sys.exit(f"run: {text}")


def build(only=()):
    """All contestants, or only some binaries, which need no feature."""
    command = ["cargo", "build", "--locked", "--release", "--message-format", "json-render-diagnostics"]
    if only:
        command += ["--no-default-features", *(f"--bin={name}" for name in only)]
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        fail("the contestants do not build")
    artifacts = (json.loads(line) for line in done.stdout.splitlines())
    BINARIES.update({a["target"]["name"]: a["executable"] for a in artifacts if a.get("executable")})


class Server:
    """A contestant, serving; under a tool if one is given, and on all processors if it is free."""

    def __init__(self, name, *options, tool=(), env=None, free=False):
        self.name = name
        self.raw = name in ("raw", "hub-raw")
        command = [*tool, BINARIES[name], *options, *RUNTIME]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        env=env, preexec_fn=None if free else lambda: pin(0))
        self.port = self.process.stdout.readline().strip()
        if not self.port:
            fail(f"{name} does not serve")
        self.pid = str(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def start_load(self, what, *arguments):
        command = [BINARIES["load"], what, self.port, *map(str, arguments), *(["--raw"] if self.raw else [])]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=lambda: pin(1))

    def load(self, *arguments):
        """Runs the load, and returns the numbers that it prints."""
        process = self.start_load(*arguments)
        out, errors = process.communicate("\n")
        if process.returncode:
            fail(f"{self.name}, {' '.join(map(str, arguments))}: {errors.strip()}")
        return [int(word) for word in out.split() if word != "ready"]


def pin(side):
    """The servers have one processor and the load the others, if there are two."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) > 1:
        os.sched_setaffinity(0, processors[:1] if side == 0 else processors[1:])


def interleaved(what, rounds, columns, names, measure):
    """What is measured of each contestant in each column, a list over the rounds: the contestants take turns, so that all
    see the same weather."""
    measured = {}
    for turn in range(rounds):
        note(f"{what}, round {turn + 1} of {rounds}")
        for column in columns:
            for name in names if turn % 2 else reversed(names):
                measured.setdefault((name, column), []).append(measure(name, column))
    return measured


def ratio(ones, others):
    """The median over the rounds."""
    return f"{statistics.median(one / other for one, other in zip(ones, others)):.2f}"


def note(text):
    print(f"run: {text}", file=sys.stderr, flush=True)


def table(title, columns, rows):
    print(f"\n**{title}**\n\n| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for name, values in rows:
        left_out = f" ({CONTESTANTS[name]})" if CONTESTANTS.get(name) else ""
        print(f"| {name}{left_out} | {' | '.join(values)} |")
    sys.stdout.flush()


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"
