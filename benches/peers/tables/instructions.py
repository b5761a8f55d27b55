"""Instructions, which are the same on any day: the table, the budget, and where they go."""

import os
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from .contestants import CELLS, Server, fail, note, number, table

# Valgrind counts a `rep` instruction once for each step it makes, so the C library is told to do without.
TUNABLES = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS,-FSRM"}


def callgrind(name, out, *load):
    """Leaves in a file what a load made a contestant execute, without the start and the warm-up, and returns how many
    messages or handshakes that was."""
    tool = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]
    with Server(name, tool=tool, env={**os.environ, **TUNABLES}) as server:
        process = server.start_load(*load, server.pid)

        def control(command):
            line = process.stdout.readline().split()
            if not line:
                fail(f"{name}, {' '.join(map(str, load))}: {process.stderr.read().strip()}")
            subprocess.run(["callgrind_control", command, server.pid], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            process.stdin.write("\n")
            process.stdin.flush()
            return line

        control("--zero")
        _, _, count = control("--dump")
        process.communicate()
    return int(count)


def counted(name, *load):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        count = callgrind(name, out, *load)
        text = Path(f"{out}.1").read_text()
    return int(re.search(r"^totals: (\d+)", text, re.M).group(1)) / count


def instructions(name, cell):
    return counted(name, "echo", cell, CELLS[cell][1], 1)


def print_table(names, cells):
    rows = []
    for name in names:
        note(f"instructions, {name}")
        rows.append((name, [number(instructions(name, cell)) for cell in cells]))
    table("Instructions in user space per message", [CELLS[cell][0] for cell in cells], rows)


def hold_budget(path, renew):
    """Counts what is in a file with a cell and a count on each line, and writes it anew or says what is over it."""
    lines, over = [], []
    for line in Path(path).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            cell, allowed = line.split()
            now = instructions("sansocket", cell)
            verdict = f"{cell}: {now:,.0f} instructions a message, budget {allowed}"
            print(verdict, flush=True)
            if now > 1.03 * int(allowed.replace(",", "")):
                over.append(verdict)
            line = f"{cell:<12}{now:>8,.0f}"
        lines.append(line)
    if renew:
        Path(path).write_text("\n".join([*lines, ""]))
    elif over:
        fail("over the budget by more than 3 %: " + "; ".join(over))


def profile(name, cell):
    """Instructions per message by function, without what it calls, and within it by the file it was inlined from."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        messages = callgrind(name, out, "echo", cell, CELLS[cell][1], 1)
        lines = Path(f"{out}.1").read_text().splitlines()
    names, functions, files = {}, Counter(), Counter()

    def resolve(kind, text):
        number, _, name = text.partition(" ")
        return names.setdefault((kind, number), name)

    function = file = called = ""
    for line in lines:
        key, _, value = line.partition("=")
        if key == "fn":
            function = resolve("function", value)
        elif key in ("fl", "fi", "fe"):
            file = resolve("file", value)
        elif key == "cfn":
            resolve("function", value)
        elif key in ("cfi", "cfl"):
            resolve("file", value)
        elif key == "calls":
            called = True
        elif re.match(r"[-+*\d]", line):
            if not called:
                count = int(line.split()[-1]) / messages
                functions[function] += count
                files[function, file] += count
            called = False
    for function, count in functions.most_common(60):
        if count < 1:
            break
        print(f"{count:12,.1f}  {function}")
        for (of, file), part in files.most_common():
            if of == function and part < count and part > max(8, count / 16):
                print(f"{'':12}  {part:10,.1f}  {'/'.join(file.split('/')[-4:])}")
