"""One message for all."""

import os
import statistics

from .contestants import Server, interleaved, number, ratio, table

HUBS = {
    "raw": ("hub-raw",),
    "raw, a task for each": ("hub-raw", "--tasks"),
    "sansocket": ("hub-sansocket",),
    "tokio-tungstenite": ("hub-tokio-tungstenite",),
}


def print_table(names, sizes, rounds):
    names = [name for name in HUBS if name.partition(",")[0] in ("raw", *names)]
    threads = len(os.sched_getaffinity(0))

    def measure(name, members):
        with Server(*HUBS[name], "--threads", str(threads), free=True) as server:
            time, _, count = server.load("hub", max(2, 40_000 // members), members, server.pid)
        return time / count

    times = interleaved("hub", rounds, sizes, names, measure)
    rows = [(name, [ratio(times[name, size], times["raw", size]) for size in sizes]) for name in names]
    rows.append(("*µs per member, raw*", [number(statistics.median(times["raw", size]) / 1000) for size in sizes]))
    table(f"CPU time of a hub with {threads} threads for a message of 100 B to so many members, per member, as a ratio to raw "
          f"writes: medians of {rounds} interleaved rounds", [f"{size:,}" for size in sizes], rows)
