"""The same from Python, in a few lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import blockwright
from blockwright import Run


@pytest.fixture(scope="module")
def finished(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return blockwright.run(make_recipe(tmp_path_factory.mktemp("api")), "budget.params=80%")


def test_run_answers_with_its_solution_evaluation_and_child(finished: Run) -> None:
    from transformers import AutoModelForCausalLM

    parent = finished.files.prices().parent["params"]
    child = AutoModelForCausalLM.from_pretrained(finished.child)
    assert sum(weight.numel() for weight in child.parameters()) == finished.solution.costs["params"] <= 0.8 * parent
    assert set(finished.evaluation) == {"predicted", "built", "final"}
    assert finished.graph.params == finished.solution.costs["params"]


def test_prices_of_the_keeping_choice_are_the_parents_own_parameters(finished: Run, parent_folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    counted = sum(weight.numel() for weight in AutoModelForCausalLM.from_pretrained(parent_folder).parameters())
    assert finished.files.prices().parent["params"] == counted


def test_solve_replaces_one_limit_and_keeps_the_others(finished: Run) -> None:
    tighter = finished.solve({"memory": "70%"})
    parent = finished.files.prices().parent
    assert tighter.costs["memory"] <= 0.7 * parent["memory"]
    assert tighter.costs["params"] <= 0.8 * parent["params"]
    assert finished.solve({"params": None, "memory": "100%"}).objective <= tighter.objective


def test_opened_run_is_the_run_that_was_made(finished: Run) -> None:
    opened = blockwright.open_run(finished.directory)
    assert opened.solution == finished.solution
    assert opened.evaluation == finished.evaluation
    assert opened.child == finished.child


def test_unfinished_run_says_what_it_lacks(finished: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text((finished.directory / "recipe.yaml").read_text())
    opened = blockwright.open_run(tmp_path)
    with pytest.raises(blockwright.UserError, match="is not evaluated yet"):
        _ = opened.evaluation
    with pytest.raises(blockwright.UserError, match="has no 02-scores yet"):
        opened.solve({"params": "70%"})


def test_versions_of_what_computed_are_in_the_run(finished: Run) -> None:
    versions = json.loads((finished.directory / "versions.json").read_text())
    assert {"blockwright", "torch", "transformers", "python"} <= set(versions)
