"""Options that say how a stage works, and not what comes out, may change while a run is under way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.recipes.checking import check_recipe
from blockwright.running.step_keys import plan_keys

DISTILL = "stages:\n  - distill: {{data: {{tokens: 1024}}{more}}}\n"


@pytest.fixture
def key(recipe: Path) -> Callable[[str], str]:
    """Of the stage `distill` with more options."""
    original = recipe.read_text()

    def of(more: str = "") -> str:
        recipe.write_text(original.replace("stages:\n  - refit\n", DISTILL.format(more=more)))
        return plan_keys(check_recipe(recipe))["06-distill"]

    return of


@pytest.mark.parametrize("more", [", launcher: torchrun --nproc-per-node 8", ", checkpoint_every: 7", ", keep: 3"])
def test_other_processes_or_checkpoints_go_on_with_a_training_that_was_begun(
    key: Callable[[str], str], more: str
) -> None:
    assert key(more) == key("")


def test_another_learning_rate_starts_again(key: Callable[[str], str]) -> None:
    assert key(", learning_rate: 1e-3") != key("")


def test_a_launcher_can_be_given_on_the_command_line(recipe: Path, key: Callable[[str], str]) -> None:
    key("")
    checked = check_recipe(recipe, ["stages.0.distill.launcher=srun torchrun --nnodes 4 --rdzv-endpoint host:29500"])
    launcher = "srun torchrun --nnodes 4 --rdzv-endpoint host:29500"
    assert checked.made.stages[0].options.model_dump()["launcher"] == launcher
