"""All fault tests (tests/faults) in full: how many faults of each kind were injected, survived and lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from common import print_table

TESTS = Path(__file__).parents[1] / "tests" / "faults"
HEADER = ("fault", "injected", "survived", "lost")


def main() -> int:
    """Survived: said in a line where there is something to say, and in the end the bytes of the run without faults."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder) / "tally.jsonl"
        tally.touch()
        environment = {**os.environ, "BLOCKWRIGHT_FAULTS": "full", "BLOCKWRIGHT_FAULTS_TALLY": str(tally)}
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", str(TESTS), *sys.argv[1:]]
        ended = subprocess.run(command, env=environment, check=False)
        faults = [json.loads(line) for line in tally.read_text().splitlines()]
    injected, survived = (
        Counter(one["kind"] for one in faults),
        Counter(one["kind"] for one in faults if one["survived"]),
    )
    rows = [(kind, number, survived[kind], number - survived[kind]) for kind, number in injected.items()]
    total = ("all", len(faults), survived.total(), len(faults) - survived.total())
    print_table(f"Faults on whole runs, {time.perf_counter() - start:.0f} s in all", HEADER, [*rows, total])
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
