"""Floors, and layers that must agree, from the recipe to the child."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.problem import Problem, Solution
from blockwright.recipes.checking import CheckedRecipe, check_recipe
from blockwright.recipes.feasibility import rules_of
from blockwright.searching.problem_making import make_problem


def solved(checked: CheckedRecipe) -> tuple[Problem, Solution]:
    """With scores that rise with what goes, from the cheapest layer on."""
    prices = checked.prices
    rules = rules_of(checked.recipe.budget, checked.recipe.search, prices)
    scores = {
        name: {label: (1 + at) / (1 + cost.parameters) for label, cost in variants.items()}
        for at, (name, variants) in enumerate(prices.main.blocks.items())
    }
    problem = make_problem(scores, prices, rules)
    return problem, checked.made.solver.solve(problem)


def test_layers_that_must_agree_take_the_same_variant(recipe: Path) -> None:
    free = check_recipe(recipe, ["budget.params=70%"])
    _, solution = solved(free)
    assert len({solution.variants[f"ffn.{layer}"] for layer in range(4)}) > 1
    agree = "search.agree=[{slot: ffn, layers: 0-3}, {slot: attention, layers: [first, last]}]"
    _, solution = solved(check_recipe(recipe, ["budget.params=70%", agree]))
    assert len({solution.variants[f"ffn.{layer}"] for layer in range(4)}) == 1
    assert solution.variants["attention.0"] == solution.variants["attention.3"]


def test_a_floor_keeps_the_child_from_being_smaller(recipe: Path) -> None:
    checked = check_recipe(recipe, ["budget.params=90%", "budget.at_least.params=88%"])
    problem, solution = solved(checked)
    parent = checked.prices.parent["params"]
    assert problem.floors == {"params": 0.88 * parent}
    assert 0.88 * parent <= solution.costs["params"] <= 0.9 * parent


def told(recipe: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        check_recipe(recipe, overrides)
    return "\n".join(caught.value.lines)


def test_a_floor_above_the_limit_is_told(recipe: Path) -> None:
    assert "no child of this space keeps all limits at once" in told(
        recipe, "budget.params=80%", "budget.at_least.params=90%"
    )


def test_layers_that_are_not_there_and_what_is_no_layer_are_told(recipe: Path) -> None:
    assert "there is no layer '2-9': the parent has 4 layers" in told(recipe, "search.agree=[{slot: ffn, layers: 2-9}]")
    assert "expected layers like 0, -1, 0-3" in told(recipe, "search.agree=[{slot: ffn, layers: all}]")


def test_an_unknown_start_is_told_at_its_place(recipe: Path) -> None:
    assert "no solver is called 'unifrom', did you mean 'uniform'?" in told(recipe, "search.starts=[unifrom]")
