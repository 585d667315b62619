"""What a recipe asks of a search in steps, and how its budgets are stepped."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.iterating.base import space_from
from blockwright.iterating.settings import Iterations, budget_of_iteration
from blockwright.recipes.budget import Budget
from blockwright.recipes.checking import check_recipe
from blockwright.recipes.iterations import iterations_of
from blockwright.running.step_keys import plan_keys
from blockwright.variants import SubBlock, VariantSpec


def test_limits_fall_in_equal_steps_from_what_the_parent_takes() -> None:
    parent = {"params": 1000.0, "memory": 4096.0, "ms_per_token": 10.0, "chat.decode_ms": 8.0}
    budget = Budget.model_validate(
        {"params": "40%", "memory": 8192, "tokens_per_s": "2x", "scenarios": {"chat": {"decode_ms": 2}}}
    )
    first = budget_of_iteration(1, 3, budget, parent)
    assert first.limits(parent) == pytest.approx(
        {"params": 800, "memory": 8192, "ms_per_token": 10 - 5 / 3, "chat.decode_ms": 6}
    )
    assert budget_of_iteration(3, 3, budget, parent).limits(parent) == pytest.approx(budget.limits(parent))


def test_a_number_is_a_count_and_budgets_count_themselves() -> None:
    assert Iterations.model_validate(3) == Iterations(count=3)
    assert Iterations.model_validate({"budgets": [{"params": "90%"}, {"params": "80%"}]}).count == 3
    with pytest.raises(ValueError, match="expected 2, one for each search before the last, got 1"):
        Iterations.model_validate({"count": 3, "budgets": [{"params": "90%"}]})


def test_each_iteration_is_a_recipe_of_its_own_below_the_run(recipe: Path) -> None:
    checked = check_recipe(recipe, ["iterations=3", "budget.params=80%"])
    first, second, last = iterations_of(checked)
    assert last is checked and first.before is None
    assert [one.directory for one in (first, second)] == [checked.directory / "iterations" / str(n) for n in (1, 2)]
    assert [one.recipe.stage_sections for one in (first, second)] == [(("refit", {}),)] * 2
    shares = [one.recipe.budget.limits(checked.prices.parent)["params"] for one in (first, second, last)]
    whole = checked.prices.parent["params"]
    assert shares == pytest.approx([whole * (1 - 0.2 * n / 3) for n in (1, 2, 3)], abs=1)
    assert "Searches in 3 steps" in checked.notes[-1] and "in between: refit." in checked.notes[-1]


def test_only_what_heals_is_done_in_between(recipe: Path) -> None:
    checked = check_recipe(recipe, ["iterations=2", "stages=[command: {command: [cp, '{child}', '{output}']}, refit]"])
    assert [name for name, _ in iterations_of(checked)[0].recipe.stage_sections] == ["refit"]
    chosen = check_recipe(recipe, ["iterations={count: 2, heal: [{refit: {sweeps: 2}}]}"])
    assert iterations_of(chosen)[0].recipe.stage_sections == (("refit", {"sweeps": 2}),)


def test_keys_hang_together(recipe: Path) -> None:
    """A change of how an iteration heals makes all after it anew; one of the last budget what depends on it."""
    keys = {
        name: plan_keys(check_recipe(recipe, overrides))
        for name, overrides in {
            "plain": [],
            "two": ["iterations={budgets: [{params: 95%}]}"],
            "other last": ["iterations={budgets: [{params: 95%}]}", "budget.params=85%"],
            "other first": ["iterations={budgets: [{params: 94%}]}"],
            "other healing": ["iterations={budgets: [{params: 95%}], heal: [{refit: {sweeps: 2}}]}"],
        }.items()
    }
    assert "00-base" not in keys["plain"] and keys["plain"]["01-library"] != keys["two"]["01-library"]
    assert keys["two"]["02-scores"] == keys["other last"]["02-scores"]
    assert keys["two"]["04-solve"] != keys["other last"]["04-solve"]
    assert len({keys[name]["00-base"] for name in ("two", "other first", "other healing")}) == 3


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["stages=[]"], "none of the recipe's stages heals; say what does"),
        (["search.fusion=joint", "transforms=[ffn-fusion: {joins: search}]"], "joins are not searched for in steps"),
        (["scorer.name=guessed"], "'guessed' looks at no weights"),
        (["iterations={count: 2, heal: [refitt]}"], "no stage is called 'refitt'.*refit"),
        (["iterations={budgets: [{params: 1%}]}"], "no child of this space has less than"),
        (["iterations={budgets: [{decode_ms: 3}]}"], ": times need a machine and a cost model"),
        (["iterations=21"], "must be at most 20, got 21"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(recipe: Path, overrides: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        check_recipe(recipe, ["iterations=2", *overrides])


def test_a_dry_run_has_nothing_before_its_search(recipe: Path) -> None:
    checked = check_recipe(recipe, ["iterations=3", "parent.weights=false", "scorer.name=guessed"])
    assert checked.before is None


class BaseOf:
    """What `space_from` asks of a base, without its weights."""

    def __init__(self, recipe: Path, present: dict[str, VariantSpec]) -> None:
        from blockwright.iterating import base

        self.checked = check_recipe(recipe)
        self.parent, self.variants = self.checked.parent, self.checked.plugins.variants
        self.present_in = {SubBlock.parse(name): spec for name, spec in present.items()}
        self.shapes = {name: base._shape(spec, self.parent, self.variants) for name, spec in self.present_in.items()}

    def present(self, sub_block: SubBlock) -> VariantSpec:
        return self.present_in[sub_block]

    def shape(self, slot: str) -> object:
        return self.parent.shape(slot)  # type: ignore[arg-type]

    def shape_of(self, sub_block: SubBlock) -> object:
        return self.shapes[sub_block]


def test_what_is_left_open_is_what_can_be_made_from_what_is_there(recipe: Path) -> None:
    def narrow(width: int) -> VariantSpec:
        return VariantSpec("ffn", "narrow", (("width", width),))

    keep, skip, linear = (VariantSpec("ffn", kind) for kind in ("keep", "skip", "linear"))
    heads, no_attention = VariantSpec("attention", "kv_heads", (("heads", 1),)), VariantSpec("attention", "skip")
    all_attention = VariantSpec("attention", "keep")
    present = {
        "ffn.0": keep, "ffn.1": narrow(24), "ffn.2": linear, "ffn.3": skip,
        "attention.0": heads, "attention.1": no_attention, "attention.2": all_attention,
    }  # fmt: skip
    base = BaseOf(recipe, present)
    ffn, attention = (keep, narrow(36), narrow(24), narrow(12), linear, skip), (all_attention, heads, no_attention)
    space = {name: ffn if name.slot == "ffn" else attention for name in base.present_in}
    left = {str(name): set(specs) for name, specs in space_from(base, space, base.variants).items()}  # type: ignore[arg-type]
    assert left == {
        "ffn.0": {*ffn},
        "ffn.1": {narrow(24), narrow(12), linear, skip},
        "ffn.2": {linear, skip},
        "ffn.3": {skip},
        "attention.0": {heads, no_attention},
        "attention.1": {no_attention},
        "attention.2": {*attention},
    }
