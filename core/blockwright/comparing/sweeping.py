"""`budget.params=90%,80%,70%`: one recipe at several budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from blockwright.errors import UserError
from blockwright.recipes.checking import CheckedRecipe, check_recipe


def swept_recipes(file: Path, overrides: Sequence[str]) -> dict[str, CheckedRecipe]:
    """A checked recipe by each value of the one budget that has several; UserError where none or two have."""
    several = [text for text in overrides if text.startswith("budget.") and "," in text.partition("=")[2]]
    if len(several) != 1:
        count = len(several) or "no"
        raise UserError(f"command line: {count} budgets have several values; write one, like budget.params=90%,80%,70%")
    key, _, values = several[0].partition("=")
    others = [text for text in overrides if text != several[0]]
    budgets = [value.strip() for value in values.split(",") if value.strip()]
    return {value: check_recipe(file, [*others, f"{key}={value}"]) for value in budgets}
