"""The same run, whoever does its tasks: equal bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.api import run
from blockwright.errors import UserError
from blockwright.recipes.checking import check_recipe
from blockwright.running.step_keys import plan_keys

SEARCH = ("01-library", "02-scores", "04-solve")
DISTILLED = "library: {distill: {tokens: 256, batch_tokens: 64, evaluate_every: 2}}\n"


def written(directory: Path) -> dict[str, bytes]:
    """What the steps of the search have left, but for the seconds that they took."""
    files = (path for step in SEARCH for path in (directory / step).rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files if path.name != "done.json"}


def events(directory: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (directory / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("scorer", ["fisher", "replace-one-block"])
def test_processes_leave_the_bytes_of_the_run_in_one_process(
    scorer: str, make_recipe: Callable[[Path], Path], tmp_path: Path
) -> None:
    found = {}
    for executor in ("in-process", "processes"):
        (tmp_path / executor).mkdir()
        recipe = make_recipe(tmp_path / executor)
        distilled = DISTILLED if scorer == "fisher" else ""
        recipe.write_text(recipe.read_text().replace("stages:\n  - refit\n", distilled))
        run(recipe, f"executor.name={executor}", f"scorer.name={scorer}")
        found[executor] = written(tmp_path / executor / "runs" / "tiny")
        told = events(tmp_path / executor / "runs" / "tiny")
        assert told.count("sub_block_built") == (8 if executor == "processes" else 0)
        assert told.count("sub_block_distilled") == (8 if scorer == "fisher" else 0)
    assert found["processes"] == found["in-process"]


def test_who_does_the_tasks_changes_no_key(recipe: Path) -> None:
    keys = plan_keys(check_recipe(recipe))
    assert plan_keys(check_recipe(recipe, ["executor.name=processes", "executor.workers=4"])) == keys


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("executor.name=proceses", "no executor is called 'proceses', did you mean 'processes'?"),
        ("executor.workers=2", "executor.workers"),
    ],
)
def test_a_mistake_in_the_section_is_told(recipe: Path, override: str, told: str) -> None:
    overrides = [override] if "name" in override else ["executor.name=in-process", override]
    with pytest.raises(UserError, match=told):
        check_recipe(recipe, overrides)
