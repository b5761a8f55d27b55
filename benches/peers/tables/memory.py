"""Resident memory: of connections that are idle, and at most for one large message."""

from .contestants import Server, note, number, table


def print_idle(names, connections):
    rows = []
    for name in names:
        note(f"idle connections, {name}")
        with Server(name) as server:
            before, *after = server.load("idle", connections, server.pid)
        rows.append((name, [number(max(0, value - before) / connections) for value in after]))
    table(f"Resident bytes per idle connection, {connections:,} of them",
          ["after the handshake", "after an echo of 64 KiB each"], rows)


def print_large(names):
    rows = []
    for name in names:
        note(f"one large message, {name}")
        streamed = {"raw": "raw", "sansocket": "streamed-sansocket"}.get(name)
        rows.append((name, [peak(name, "16m"), peak(streamed, "64m") if streamed else "–"]))
    table("Resident memory of the server above that before, at the most, MiB",
          ["echo of 16 MiB, taken whole", "64 MiB in one frame, as it comes"], rows)


def peak(name, cell):
    with Server(name) as server:
        [grown] = server.load("large", cell, server.pid)
    return f"{grown / 2**20:.1f}"
