"""A parent of which only the config is there: priced, scored by a guess that is called one, solved and reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import blockwright
from blockwright.comparing.contenders import recipes_own
from blockwright.comparing.outcomes import sweep
from blockwright.comparing.showing import outcome_summary
from blockwright.comparing.sweeping import swept_recipes
from blockwright.errors import UserError
from blockwright.recipes.checking import check_recipe
from blockwright.running.estimates import count_operations
from blockwright.running.files import COSTS, LIBRARY, PARENT, SCORES, SOLVE
from blockwright.running.plan import make_plan
from blockwright.terminal.summary import run_summary, solution_summary

DRY = ("parent.weights=false", "scorer.name=guessed")


@pytest.fixture
def recipe(make_recipe: Callable[[Path], Path], parent_folder: Path, tmp_path: Path) -> Path:
    """The tiny recipe on a folder that holds nothing but the parent's config."""
    path = make_recipe(tmp_path)
    (tmp_path / "outline").mkdir()
    shutil.copy(parent_folder / "config.json", tmp_path / "outline")
    path.write_text(path.read_text().replace(f"model: {parent_folder}", f"model: {tmp_path / 'outline'}"))
    return path


def test_a_folder_without_weights_is_refused_with_what_to_type(recipe: Path) -> None:
    with pytest.raises(UserError, match=r"for a dry run on its config alone add parent\.weights=false"):
        check_recipe(recipe)


def test_scores_that_need_weights_are_refused(recipe: Path) -> None:
    with pytest.raises(UserError, match=r"scorer\.name: 'fisher' needs the parent's weights.*scorer\.name=guessed"):
        check_recipe(recipe, DRY[:1])


def test_the_plan_says_what_is_left_out_and_estimates_the_full_run(recipe: Path) -> None:
    plan = make_plan(check_recipe(recipe, DRY))
    assert isinstance(plan.data, dict)
    assert list(plan.data["steps"]) == [PARENT, LIBRARY, SCORES, COSTS, SOLVE]
    assert plan.data["disk_bytes"][LIBRARY] > 0 and plan.data["seconds"]["evaluation"] > 0
    assert plan.data["gpu_rates"] is None and not plan.data["gpu_seconds"]
    told = "\n".join(plan.lines)
    assert "Dry run: the parent's weights are left out" in told and "refit, the evaluation" in told
    assert "The scores of 'guessed' are invented" in told


def test_hours_of_a_named_gpu_say_what_is_measured_and_what_assumed(recipe: Path) -> None:
    plan = make_plan(check_recipe(recipe, [*DRY, "hardware=h100-sxm"]))
    assert isinstance(plan.data, dict)
    here, gpu = plan.data["rates"], plan.data["gpu_rates"]
    assert gpu["products"] == pytest.approx(989e12 * 0.80879)  # the peak, and the share that its tables were fitted to
    assert plan.data["gpu_seconds"][SCORES] == pytest.approx(
        plan.data["seconds"][SCORES] * here["products"] / gpu["products"]
    )
    told = "\n".join(plan.lines)
    assert (
        "GPU-hours" in told and "fitted to its measured tables. Assumed:" in told and "Measured here just now" in told
    )


def test_an_hour_of_solving_is_counted_by_what_a_variant_solves(recipe: Path) -> None:
    """Copies cost nothing to solve; a narrower FFN does, the more the fewer of its channels go at once."""
    copied, narrow, in_steps = (
        count_operations(checked, checked.prices)[LIBRARY].solving
        for checked in (
            check_recipe(recipe, [*DRY, *overrides])
            for overrides in (
                ["space={attention: [keep, skip], ffn: [keep, skip]}"],
                ["space={attention: [keep, skip], ffn: [keep, {narrow: 50%}]}"],
                ["space={attention: [keep, skip], ffn: [keep, {narrow: 50%}]}", "library.channels_at_once=1"],
            )
        )
    )
    assert copied == 0
    width, hidden, layers = 48, 32, 4
    costs_of_channels = layers * hidden**2 * (width**2 - 24**2)
    assert in_steps - narrow == pytest.approx(costs_of_channels * (1 - 1 / 32))


def test_it_goes_through_run_solve_sweep_and_report_and_no_score_looks_measured(recipe: Path) -> None:
    run = blockwright.run(recipe, *DRY)
    assert list(run.steps) == [PARENT, LIBRARY, SCORES, COSTS, SOLVE]
    assert run.solution.costs["params"] <= 0.9 * run.files.prices().parent["params"]
    assert run.files.json(f"{SOLVE}/solution.json")["realised"] is None

    smaller = run.solve({"params": "75%"})
    assert smaller.costs["params"] < run.solution.costs["params"]
    for summary in (run_summary(run), solution_summary(run, smaller)):
        told = "\n".join(summary.lines)
        assert "invented by the scorer 'guessed', nothing is measured" in told and "nats" not in told

    budgets = swept_recipes(recipe, [*DRY, "budget.params=95%,85%"])
    first = next(iter(budgets.values()))
    outcomes = sweep(list(budgets.values()), recipes_own(first))
    assert [(one.predicted, one.realised, one.kl_nats_per_token) for one in outcomes] == [(None, None, None)] * 2
    assert all(one.costs and not one.failed for one in outcomes)
    table = outcome_summary("budget", dict(zip(budgets, outcomes, strict=True)), recipe.parent / "out", first.notes)
    assert any("invented" in line for line in table.lines)

    page = run.report().read_text()
    assert "This is a dry run" in page and "Guessed scores, nothing is measured" in page
    assert "nats per token" not in page


def test_guesses_are_not_shared_as_scores(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its scores are guessed"):
        blockwright.run(recipe, *DRY).share(tmp_path / "shared")


def test_shared_scores_serve_a_dry_run_and_stay_nats(
    recipe: Path, make_recipe: Callable[[Path], Path], tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = blockwright.run(make_recipe(tmp_path / "whole"), "stages=[]")
    shared = whole.share(tmp_path / "shared")
    for weights in shared.glob("*.safetensors"):
        weights.unlink()
    dry = blockwright.run(recipe, DRY[0], "scorer.name=stored", f"scorer.folder={shared}")
    assert dry.files.scores() == whole.files.scores()
    predicted = json.loads((whole.directory / SOLVE / "solution.json").read_text())["rounds"][0]["predicted"]
    assert dry.solution.objective == pytest.approx(predicted)
    assert "nats per token" in dry.report().read_text()
