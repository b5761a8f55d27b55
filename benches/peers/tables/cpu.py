"""CPU time, as ratios."""

import statistics

from .contestants import CELLS, Server, interleaved, number, ratio, table


def print_table(names, cells, rounds):
    def measure(name, cell):
        _, _, messages, connections = CELLS[cell]
        with Server(name) as server:
            time, _, count = server.load("echo", cell, messages, connections, server.pid)
        return time / count

    times = interleaved("CPU time", rounds, cells, names, measure)
    base = "floor" if "floor" in names else names[0]
    rows = [(name, [ratio(times[name, cell], times[base, cell]) for cell in cells]) for name in names]
    rows.append((f"*µs per message, {base}*", [number(statistics.median(times[base, cell]) / 1000) for cell in cells]))
    table(f"CPU time of the server per message, user and kernel, as a ratio to {base}: medians of {rounds} interleaved "
          "rounds", [CELLS[cell][0] for cell in cells], rows)
