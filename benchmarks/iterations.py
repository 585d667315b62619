"""SmolLM2 to 60 % of its parameters in one search and in three, each healed on the same number of tokens in all.

`python benchmarks/iterations.py TOKENS COUNT`; 32,768 tokens and 3 searches where nothing is said.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from common import print_table

import blockwright
from blockwright.api import Run, open_run

RECIPE = Path(__file__).with_name("iterations.yaml")
TRAINING = {"learning_rate": 5e-5, "batch_size": 4, "evaluate_every": 4, "checkpoint_every": 4}
SEARCH = ("01-library", "02-scores", "04-solve")


def main() -> None:
    tokens, count = (int(sys.argv[1]), int(sys.argv[2])) if sys.argv[2:] else (32_768, 3)
    print(f"{tokens:,} tokens of healing in all")
    rows = [row for searches in (1, count) for row in _rows(_run(tokens // searches, searches), searches)]
    header = ("searches", "after", "parameters", "KL as built", "KL healed", "top-1 healed", "search, s", "healing, s")
    print_table(f"SmolLM2 in steps, {tokens:,} tokens of distillation in all", header, rows)


def _run(tokens: int, searches: int) -> Run:
    stages = json.dumps([{"distill": {**TRAINING, "data": {"tokens": tokens}}}])
    name = f"iterations-{searches}-{tokens}"
    return blockwright.run(RECIPE, f"name={name}", f"stages={stages}", f"iterations={searches}")


def _rows(run: Run, searches: int) -> list[tuple[object, ...]]:
    """One for each search, the last of which is the run itself."""
    before = [open_run(run.directory / "iterations" / str(number)) for number in range(1, searches)]
    return [_row(one, searches, number) for number, one in enumerate([*before, run], start=1)]


def _row(run: Run, searches: int, number: int) -> tuple[object, ...]:
    share = run.solution.costs["params"] / run.files.prices().parent["params"]
    built, final = run.evaluation["built"], run.evaluation["final"]
    assert isinstance(built, dict) and isinstance(final, dict)
    seconds = sum(run.steps[step] for step in SEARCH)
    losses = built["kl_nats_per_token"], final["kl_nats_per_token"], final["top1_agreement"]
    return searches, f"search {number}", share, *losses, seconds, run.steps["06-distill"]


if __name__ == "__main__":
    main()
