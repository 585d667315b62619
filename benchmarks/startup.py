"""How long a command takes to answer: median wall time of ten runs, each a process of its own, in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import print_table

RUNS = 10
RECIPE = "examples/smollm2.yaml"
COMMANDS = (("--help",), ("plugins",), ("schema",), ("check", RECIPE))
ELSEWHERE = (
    "Measured elsewhere, not by this script and not on this machine: Puzzletron's pipeline takes 38 s to start "
    "(issue 9 of this repository)."
)


def main() -> None:
    before = os.getloadavg()[0]
    seconds: dict[tuple[str, ...], list[float]] = {command: [] for command in COMMANDS}
    for _ in range(RUNS):
        for command, times in seconds.items():
            times.append(timed(command))
    rows = [
        (f"`blockwright {' '.join(command)}`", statistics.median(times), min(times), max(times))
        for command, times in seconds.items()
    ]
    load = f"load average {before:.2f} before, {os.getloadavg()[0]:.2f} after, on {os.cpu_count()} cores"
    print_table(f"Startup: wall seconds, {RUNS} runs ({load})", ("command", "median", "least", "most"), rows)
    print(f"\n{ELSEWHERE}")


def timed(command: tuple[str, ...]) -> float:
    """Seconds from start to end; the command must succeed."""
    program = Path(sys.executable).with_name("blockwright")
    start = time.perf_counter()
    subprocess.run([program, *command], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
