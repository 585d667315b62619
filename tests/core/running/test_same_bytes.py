"""The same recipe on the same machine with as many threads: the same bytes of what is found, built and reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SAME_BYTES = ("01-library/*.safetensors", "02-scores/scores.json", "03-costs/costs.json", "05-build/child/*")
UNLIKE = ("seconds", "milliseconds")  # how long things took


def without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in UNLIKE}
    return [without_times(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def runs(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs, each in a process of its own with its own order of hashes."""
    found = []
    for seed in ("1", "2"):
        recipe = make_recipe(tmp_path_factory.mktemp("fresh"))
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        program = "from blockwright.cli import main; main()"
        command = [sys.executable, "-c", program, "run", str(recipe)]
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=300)
        found.append(recipe.parent / "runs" / "tiny")
    return found[0], found[1]


def test_library_scores_costs_and_child_are_the_same_bytes(runs: tuple[Path, Path]) -> None:
    for pattern in SAME_BYTES:
        files = [{path.name: path.read_bytes() for path in run.glob(pattern)} for run in runs]
        assert files[0] and files[0] == files[1], pattern


@pytest.mark.parametrize("name", ["04-solve/solution.json", "07-evaluation/evaluation.json"])
def test_solution_and_what_is_reported_are_the_same(name: str, runs: tuple[Path, Path]) -> None:
    first, second = (without_times(json.loads((run / name).read_text())) for run in runs)
    assert first and first == second
