#!/usr/bin/env python3
"""The judge of autobahn/run: reads the suite's reports, and compares them with verdicts.json.

    judge.py port                                          a free port on the loopback
    judge.py judge [--update] [--cases ...] --runs ...     the verdicts; fails on any deviation

A case passes if the suite calls it OK, and its closing OK: strictly, and with the close code that is written down for
it. Three cases judge nothing, and are to be INFORMATIONAL. Each of the suite's cases must have been run.
"""

import argparse
import collections
import fnmatch
import json
import pathlib
import random
import socket
import sys

HERE = pathlib.Path(__file__).resolve().parent
VERDICTS = HERE / "verdicts.json"
# What they ask is not laid down: whether a message just before a Close frame is echoed, and close codes above 4999.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
CASES = 517
SLOW = ("12", "13")


def main():
    arg = argparse.ArgumentParser()
    arg.add_argument("do", choices=["port", "judge"])
    arg.add_argument("--update", action="store_true")
    arg.add_argument("--cases", nargs="+")
    arg.add_argument("--runs", nargs="+")
    opt = arg.parse_args()
    if opt.do == "port":
        print(port())
        return 0
    return judge(opt.runs, opt.cases, opt.update)


def port():
    """Outside of the range from which the system gives ports to connections."""
    while True:
        number = random.randrange(20000, 32000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", number))
            except OSError:
                continue
            return number


def judge(runs, patterns, update):
    written = json.loads(VERDICTS.read_text()) if VERDICTS.exists() else {}
    passed = failed = 0
    lines = []
    for run in runs:
        cases = read(run)
        expected = expect(written, cases, patterns)
        faults = {case: fault for case in sorted(expected | set(cases), key=number)
                  if (fault := find_fault(case, cases.get(case), written.get(case, {}).get(run), update))}
        for case, fault in faults.items():
            print(f"FAIL {run}: {case}: {fault}")
        count = len(expected | set(cases))
        passed += count - len(faults)
        failed += len(faults)
        lines.append(summary(run, cases, len(faults)))
        for fault in find_faults(run, None if patterns else CASES, len(cases)):
            failed += 1
            print(f"FAIL {run}: {fault}")
        if update:
            for case in cases.keys() - faults.keys():
                written.setdefault(case, {})[run] = verdict(cases[case])
    print(*lines, sep="\n")
    if update:
        rows = (f"  {json.dumps(case)}: {json.dumps(dict(sorted(written[case].items(), reverse=True)))}"
                for case in sorted(written, key=number))
        VERDICTS.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    if passed == 0:
        failed += 1
        print("FAIL no case was run")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def read(run):
    """The results of all parts of a run."""
    cases = {}
    for index in (part / "index.json" for part in folders(run)):
        if not index.exists():
            continue
        for results in json.loads(index.read_text()).values():
            for case, result in results.items():
                cases[case] = result | {"reportfile": str((index.parent / result["reportfile"]).relative_to(HERE))}
    return cases


def find_faults(run, expected, count):
    """What is wrong apart from the verdicts."""
    if expected is not None and count != expected:
        yield f"{count} cases, not {expected}"
    for part in folders(run):
        status = (part / "status").read_text().strip() if (part / "status").exists() else "none"
        if status != "0":
            yield f"{part.name} ended with status {status}" + (", out of time" if status == "124" else "")
        errors = part / "ours.err"
        if errors.exists() and "panicked at" in errors.read_text(errors="replace"):
            yield f"{part.name}: a panic ({errors.relative_to(HERE)})"


def folders(run):
    return sorted(part for part in (HERE / "reports" / run.replace(" ", "-")).glob("*") if part.is_dir())


def expect(written, cases, patterns):
    return {case for case in written
            if patterns is None or any(fnmatch.fnmatchcase(case, pattern) for pattern in patterns)}


def find_fault(case, result, before, update):
    if result is None:
        return "was not run"
    behavior, close = result["behavior"], result["behaviorClose"]
    if case in INFORMATIONAL:
        is_fine = behavior == "INFORMATIONAL" and close in ("OK", "INFORMATIONAL")
    else:
        is_fine = behavior == "OK" and close == "OK"
    if not is_fine:
        return f"{behavior}, close {close} ({result['reportfile']})"
    if verdict(result) != before and not update:
        return f"{verdict(result)!r}, not {before!r} as in {VERDICTS.name} ({result['reportfile']})"
    return None


def verdict(result):
    """In one line: the verdict, that on the closing if it is another, and the close code that we sent."""
    parts = [result["behavior"]]
    if result["behaviorClose"] != result["behavior"]:
        parts.append(f"close {result['behaviorClose']}")
    parts.append(str(result["remoteCloseCode"] or "no code"))
    return ", ".join(parts)


def summary(run, cases, faults):
    counts = collections.Counter(result["behavior"] for result in cases.values())
    seconds = collections.Counter()
    for case, result in cases.items():
        group = case.split(".")[0]
        seconds[group if group in SLOW else "1-10"] += result["duration"] / 1000
    verdicts = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    times = ", ".join(f"{name}: {seconds[name]:.0f} s" for name in ("1-10", *SLOW) if name in seconds)
    return f"{run}: {len(cases)} cases, {verdicts or 'no verdict'}, {faults} failed ({times or 'no time'})"


def number(case):
    return [int(part) for part in case.split(".")]


if __name__ == "__main__":
    sys.exit(main())
