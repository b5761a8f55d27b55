"""Many connections, and many processors."""

import os
import statistics
import subprocess

from .contestants import BINARIES, Server, fail, interleaved, number, ratio, table

CELLS = {"20": "20 B", "1k": "1 KiB"}


def print_tables(names, connections, rounds):
    print_connections(names, [1, 100, connections], rounds)
    workers = sorted({1, 2, len(os.sched_getaffinity(0))})
    print_workers(names, workers, rounds)
    print_memory(workers, rounds)


def print_connections(names, counts, rounds):
    def measure(name, column):
        cell, connections = column
        with Server(name) as server:
            time, _, count = server.load("echo", cell, 5000 if connections == 1 else 300, connections, server.pid)
        return time / count

    columns = [(cell, connections) for cell in CELLS for connections in counts]
    times = interleaved("many connections", rounds, columns, names, measure)
    rows = [(name, [ratio(times[name, column], times["raw", column]) for column in columns]) for name in names]
    rows.append(("*µs per message, raw*", [number(statistics.median(times["raw", it]) / 1000) for it in columns]))
    table("CPU time of the server per message with so many connections open, which take turns, as a ratio to raw: medians "
          f"of {rounds} interleaved rounds; at most 100 messages are under way",
          [f"{CELLS[cell]}, {connections:,}" for cell, connections in columns], rows)


def print_workers(names, workers, rounds):
    def measure(name, threads):
        with Server(name, "--threads", str(threads), free=True) as server:
            time, passed, count = server.load("echo", "20", 300, 100, server.pid)
        return time / count, passed / count

    both = interleaved("many threads", rounds, workers, names, measure)
    times = {key: [time for time, _ in values] for key, values in both.items()}
    rows = []
    for name in names:
        passed = [statistics.median(passed for _, passed in both[name, threads]) for threads in workers]
        rows.append((name, [*(number(1e9 / time) for time in passed),
                            *(ratio(times[name, threads], times[name, 1]) for threads in workers[1:])]))
    table(f"Echo of 20 B on 100 connections with so many worker threads, which share {workers[-1]} processors with the load: "
          f"medians of {rounds} interleaved rounds",
          [*(f"messages a second, {threads}" for threads in workers),
           *(f"CPU time per message, {threads} to 1" for threads in workers[1:])], rows)


def print_memory(workers, rounds):
    def measure(name, column):
        cell, threads = column
        messages = 20_000 if cell == "20" else 10_000
        command = [BINARIES["cores"], name, cell, str(messages), "64", str(threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            fail("cores: see above")
        time, passed, count = map(int, done.stdout.split())
        return time / count, passed / count

    columns = [(cell, threads) for cell in CELLS for threads in workers]
    names = ["raw", "sansocket"]
    both = interleaved("many processors", rounds, columns, names, measure)

    def factor(name, cell, threads, which):
        one, other = ([pair[which] for pair in both[name, (cell, count)]] for count in (1, threads))
        return ratio(one, other) if which else ratio(other, one)

    rows, headings = [], []
    for cell, label in CELLS.items():
        headings.append(f"{label}: messages a second, 1 thread")
        for threads in workers[1:]:
            headings += [f"times that, {threads} threads", f"CPU time per message, {threads} to 1"]
    for name in names:
        values = []
        for cell in CELLS:
            values.append(number(1e9 / statistics.median(passed for _, passed in both[name, (cell, 1)])))
            for threads in workers[1:]:
                values += [factor(name, cell, threads, which) for which in (1, 0)]
        rows.append((name, values))
    table(f"Echo from memory to memory, without the system, on 64 connections: medians of {rounds} interleaved rounds",
          headings, rows)
