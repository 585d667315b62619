"""00-base: the healed child of the iteration before, which this one's library is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step

if TYPE_CHECKING:
    from blockwright.recipes.checking import CheckedRecipe


@dataclass(frozen=True)
class BaseStep(Step):
    """`before` is the iteration before, which `carry_out` does as far as it is not done."""

    before: CheckedRecipe
    carry_out: Callable[[CheckedRecipe], RunFiles]

    def run(self, files: RunFiles, folder: Path) -> None:
        """`base/`: the child and what it has in place of the dense parent's sub-blocks."""
        from blockwright.iterating.base import write_base

        done = self.carry_out(self.before)
        changes = done.changes()
        child = done.child_after(changes[-1] if changes else None)
        write_base(folder / "base", child, done.assignment(), files.parent)
