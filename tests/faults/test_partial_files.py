"""A file that was damaged while its step was interrupted: found by the next start, and only that step done again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from blockwright.seals import DONE, SEALS

pytestmark = pytest.mark.faults
IS_FULL = os.environ.get("BLOCKWRIGHT_FAULTS") == "full"
EVENTS = {  # of a step at work, after which it is interrupted
    "01-library": 5,
    "02-scores": 4,
    "06-distill": 9,
    "07-reasoning-sft": 7,
    "08-evaluation": 2,
}
DAMAGES = ("truncated", "bit-flipped", "swapped")
CASES = [(step, damage) for step in EVENTS for damage in DAMAGES]
SHORT = [("06-distill", "bit-flipped")]
Injected = Callable[[str], AbstractContextManager[None]]


def interrupt_in(pipeline: Any, step: str) -> None:
    """Kills the run some events into a step that is still to be done."""
    logged = len(pipeline.log())
    started = pipeline.start()
    skipped = 2 * sorted({*pipeline.finished_steps(), step}).index(step)
    assert pipeline.wait_for_events(1 + skipped + EVENTS[step], started, since=logged), started.said()
    assert pipeline.strike(started, signal.SIGKILL) == -signal.SIGKILL
    assert not (pipeline.directory / step / DONE).exists()


def sealed(folder: Path) -> list[Path]:
    """Files of the step that are there, with something in them."""
    names = {json.loads(line)["file"] for line in (folder / SEALS).read_text().splitlines()}
    found = [folder / name for name in sorted(names) if name != "started.json"]
    return [path for path in found if path.is_file() and path.stat().st_size]


def harm(damage: str, files: list[Path], chance: random.Random, run: Path) -> Path:
    """Swapped with another file of the step; where that has but one, with the recipe."""
    path = chance.choice(files)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: chance.randrange(len(content) // 2)])
    elif damage == "bit-flipped":
        content[chance.randrange(len(content) // 2)] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    else:
        others = [one for one in files if one.read_bytes() != content]
        path, other = (max(path, others[0]), min(path, others[0])) if others else (path, run / "recipe.yaml")
        shutil.copyfile(other, path)
    return path


@pytest.mark.parametrize(("step", "damage"), CASES if IS_FULL else SHORT)
def test_a_partial_file_that_was_damaged_has_its_step_and_no_other_done_again(
    step: str, damage: str, copy_of_the_run: Callable[[str], Any], uninterrupted: Any, injected: Injected
) -> None:
    pipeline = copy_of_the_run(step)
    interrupt_in(pipeline, step)
    harmed = harm(damage, sealed(pipeline.directory / step), random.Random(f"{step} {damage}"), pipeline.directory)
    finished, logged = pipeline.finished_steps(), len(pipeline.log())
    with injected(f"partial file {damage}"):
        assert pipeline.finish() == uninterrupted.results, harmed
        assert finished.items() <= pipeline.finished_steps().items()
        told = [event["step"] for event in pipeline.log()[logged:] if event["event"] == "step_damaged"]
        assert told == [step], harmed
