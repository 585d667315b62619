"""Solvers at one budget, and one solver at several, on a tiny run."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blockwright.cli import app
from blockwright.comparing.contenders import contenders
from blockwright.comparing.outcomes import Comparison
from blockwright.errors import UserError
from blockwright.plugins import Plugins
from blockwright.recipes.checking import check_recipe


@pytest.fixture(scope="module")
def tiny(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recipe(tmp_path_factory.mktemp("compared"))


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "outcomes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_contenders_keep_one_budget_and_are_measured_on_the_same_text(tiny: Path) -> None:
    names = ["highs", "highs+children+rounds"]
    shown = json.loads(invoke("compare", tiny, "--solvers", ",".join(names), "--json").stdout)
    assert list(shown) == names
    limit = shown["highs"]["limits"]["params"]
    assert all(one["costs"]["params"] <= limit and one["kl_nats_per_token"] > 0 for one in shown.values())
    assert shown[names[1]]["realised"] <= shown["highs"]["realised"]
    folder = tiny.parent / "runs" / "tiny" / "compare"
    assert [row["name"] for row in rows_of(folder)] == names
    assert float(rows_of(folder)[0]["kl_nats_per_token"]) == shown["highs"]["kl_nats_per_token"]
    page = (folder / "outcomes.html").read_text()
    assert "highs+children+rounds" in page and "<script src" not in page


def test_a_contender_that_was_measured_is_not_measured_again(tiny: Path) -> None:
    checked = check_recipe(tiny)
    [highs] = contenders(["highs"], checked.recipe, checked.plugins)
    comparison = Comparison(checked)
    first = comparison.outcome(highs)
    [outcome] = (tiny.parent / "runs" / "tiny" / "compare").glob("highs-*/outcome.json")
    written = outcome.stat().st_mtime_ns
    assert comparison.outcome(highs) == first
    assert outcome.stat().st_mtime_ns == written


def test_a_front_costs_more_quality_for_less_and_shares_one_library(tiny: Path) -> None:
    shown = json.loads(invoke("sweep", tiny, "budget.params=95%,80%,70%", "search.rounds=0", "--json").stdout)
    assert list(shown) == ["95%", "80%", "70%"]
    predicted = [one["predicted"] for one in shown.values()]
    params = [one["costs"]["params"] for one in shown.values()]
    assert predicted == sorted(predicted) and params == sorted(params, reverse=True)
    assert not (tiny.parent / "runs" / "tiny" / "05-build").exists()


def test_a_budget_that_no_child_keeps_is_told_before_anything_runs(tiny: Path) -> None:
    result = CliRunner().invoke(app, ["sweep", str(tiny), "budget.params=90%,1%"])
    assert result.exit_code == 2
    assert "no child of this space has less than" in result.stderr


@pytest.mark.parametrize("written", [[], ["budget.params=90%"], ["budget.params=9%,8%", "budget.memory=9%,8%"]])
def test_exactly_one_budget_has_several_values(tiny: Path, written: list[str]) -> None:
    result = CliRunner().invoke(app, ["sweep", str(tiny), *written])
    assert result.exit_code == 2
    assert "budgets have several values; write one, like budget.params=90%,80%,70%" in result.stderr


def test_mistakes_in_contenders_are_told_all_at_once(tiny: Path, plugins: Plugins) -> None:
    recipe = check_recipe(tiny).recipe
    with pytest.raises(UserError) as caught:
        contenders(["hihgs", "highs+round", "highs", "highs"], recipe, plugins)
    first, second = caught.value.lines
    assert "no solver is called 'hihgs', did you mean 'highs'?" in first
    assert "no part of the search is called 'round', did you mean 'rounds'?" in second
    assert [one.name for one in contenders(["highs", "highs"], recipe, plugins)] == ["highs"]
