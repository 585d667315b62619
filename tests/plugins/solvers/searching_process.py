"""Searches with `optuna` in a process of its own: `searching_process.py STORAGE FOLDER`; prints what it did as JSON."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from blockwright.problem import Choice, Problem
from blockwright_plugins.solvers.optuna_search import OptunaOptions, OptunaSolver

NAMES = [f"ffn.{layer}" for layer in range(8)]
COSTS = {"keep": 10.0, "half": 5.0, "skip": 0.0}
LOSS = {"keep": 0.0, "half": 1.0, "skip": 2.5}
PROBLEM = Problem(
    {name: tuple(Choice(label, LOSS[label], {"params": COSTS[label]}) for label in LOSS) for name in NAMES},
    {"params": 44.0},
)


class SlowTruth:
    """Takes as long as a small child does, so that the processes are under way together; counts its looks."""

    looks = 0

    def realise(self, variants: Mapping[str, str], tokens: int | None = None) -> float:
        self.looks += 1
        time.sleep(0.02)
        return sum(LOSS[label] * (1 + at % 3) for at, label in enumerate(variants.values()))


if __name__ == "__main__":
    storage, folder = sys.argv[1:]
    solver, truth = OptunaSolver(OptunaOptions(trials=24, few_tokens=0, storage=storage)), SlowTruth()
    found = solver.solve_realising(PROBLEM, truth, solver.solve(PROBLEM), Path(folder))
    sys.stdout.write(json.dumps({"looks": truth.looks, "child": dict(found.variants)}))
