"""What a recipe asks of joined FFNs is checked before anything is scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.recipes.checking import check_recipe
from blockwright.searching.pricing import least_resources

SPACE = "space={attention: [keep, skip], ffn: [{narrow: 50%}]}"
JOINS = "transforms=[ffn-fusion: {joins: search}]"


def least_params(recipe: Path) -> float:
    return least_resources(check_recipe(recipe, [SPACE]).prices)["params"]


def test_a_budget_that_joins_alone_reach_is_refused_where_they_come_after_the_variants(recipe: Path) -> None:
    tight = f"budget.params={least_params(recipe) - 1:.0f}"
    for fusion in ("off", "post"):
        joins = [JOINS] if fusion == "post" else []
        with pytest.raises(UserError, match="no child of this space has less than"):
            check_recipe(recipe, [SPACE, tight, f"search.fusion={fusion}", *joins])
    assert check_recipe(recipe, [SPACE, tight, "search.fusion=joint", JOINS]).join_limits is not None


def test_a_budget_that_no_joins_reach_is_refused(recipe: Path) -> None:
    joins = check_recipe(recipe, [SPACE, "search.fusion=joint", JOINS])
    most = joins.parent.layers * joins.prices.join_savings["params"]
    tight = f"budget.params={least_params(recipe) - most:.0f}"
    with pytest.raises(UserError, match="no child of this space has less than"):
        check_recipe(recipe, [SPACE, tight, "search.fusion=joint", JOINS])
