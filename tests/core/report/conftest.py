"""A finished run of the tiny recipe, and copies of it to change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.api import run

QUESTIONS = [{"generator": "gcd", "config": {"max_value": 9}, "count": 6}]
TRAINING = {"questions": QUESTIONS, "heldout": 3, "steps": 2, "learning_rate": 1e-3}
STAGES = [
    {"reasoning-sft": {**TRAINING, "answer_tokens": 4, "batch_size": 2, "sequence_length": 384}},
    {"grpo": {**TRAINING, "rewards": ["format"], "drop_above": 1, "reply_tokens": 4, "batch_size": 8, "samples": 4,
              "pass_rate_samples": 2}},
]  # fmt: skip
EVALUATION = {"tasks": ["gcd"], "questions": 2, "answer_tokens": 4}


@pytest.fixture(scope="session")
def finished(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder; tests only read it."""
    return run(make_recipe(tmp_path_factory.mktemp("reported"))).directory


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The same run in a folder of the test's own."""
    return Path(shutil.copytree(finished, tmp_path / "tiny"))


@pytest.fixture(scope="session")
def thinking(
    chatting_parent: Path, make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run with reasoning SFT, GRPO and an evaluation in both modes; tests only read it."""
    recipe = make_recipe(tmp_path_factory.mktemp("thinking"))
    changed = {"stages": STAGES, "evaluation": EVALUATION, "parent.model": str(chatting_parent)}
    return run(recipe, *(f"{key}={json.dumps(value)}" for key, value in changed.items())).directory
