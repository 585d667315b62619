"""A run whose process dies inside the training of a sub-block ends in the bytes of an uninterrupted one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from blockwright.api import run
from blockwright.files import sha256_of

DRIVER = Path(__file__).parents[2] / "running" / "killed_run.py"
TRAINING = "{tokens: 1024, batch_tokens: 128, learning_rate: 0.02, evaluate_every: 2, checkpoint_every: 2}"
SECTIONS = f"stages:\n  - block-distill: {TRAINING}\nlibrary:\n  distill: {TRAINING}\n"
CHECKPOINTS = "01-library/distilling/*.safetensors", "06-block-distill/work/decoupled/checkpoints/*.safetensors"


def kill(recipe: Path, step: str, event: int) -> None:
    command = [sys.executable, str(DRIVER), str(recipe), step, str(event)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_killed_in_the_middle_of_training_a_run_goes_on_from_the_checkpoint(
    change: Callable[[str, str], Path], tmp_path: Path
) -> None:
    recipe = change("stages:\n  - refit\n", SECTIONS)
    whole = run(recipe, f"runs={tmp_path / 'whole'}").directory
    directory = tmp_path / "runs" / "tiny"
    for step, event, checkpoints in (("01-library", 6, CHECKPOINTS[0]), ("06-block-distill", 7, CHECKPOINTS[1])):
        kill(recipe, step, event)
        assert len(list(directory.glob(checkpoints))) == 1
    run(recipe)
    names = [path.relative_to(whole) for path in whole.rglob("*.safetensors")]
    assert any("05-build" in str(name) for name in names)
    assert {name: sha256_of(directory / name) for name in names} == {name: sha256_of(whole / name) for name in names}
    assert sorted(names) == sorted(path.relative_to(directory) for path in directory.rglob("*.safetensors"))
