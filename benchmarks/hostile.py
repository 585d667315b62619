"""How many bad inputs are refused cleanly: exit 2, lines that say why, in 5 seconds of CPU, and nothing written.

Runs the tests in tests/core/hostile, and counts what each tried. Mutated files may still be good: they are taken then.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from common import print_table

ROOT = Path(__file__).parents[1]


class Counting:
    """What the tests' `attempt` and `refused` say, by test."""

    def __init__(self) -> None:
        self.tried, self.refused, self.failed = Counter[str](), Counter[str](), Counter[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        kind = report.location[2].partition("[")[0].removeprefix("test_").replace("_", " ")
        said = Counter(name for name, _ in report.user_properties)
        self.tried[kind] += said["tried"] or 1
        self.refused[kind] += said["refused"] if said["tried"] else int(report.passed)
        self.failed[kind] += int(report.failed)

    def outcomes(self, kind: str) -> tuple[int, int, int]:
        """Refused, taken as good, and failed."""
        refused, failed = self.refused[kind], self.failed[kind]
        return refused, self.tried[kind] - refused - failed, failed


def main() -> None:
    counting, start = Counting(), time.process_time()
    code = pytest.main(["-q", "--no-header", str(ROOT / "tests/core/hostile")], plugins=[counting])
    seconds = time.process_time() - start
    rows = [(kind, tried, *counting.outcomes(kind)) for kind, tried in counting.tried.items()]
    whole = ("all", *(sum(int(row[place]) for row in rows) for place in range(1, 5)))
    head = ("kind", "tried", "refused", "good after all", "crashed, slow or written")
    print_table(f"Bad inputs ({seconds:.0f} s of CPU)", head, [*rows, whole])
    sys.exit(int(code))


if __name__ == "__main__":
    main()
