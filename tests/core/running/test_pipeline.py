"""A run that was killed anywhere ends, by the same command, in the bytes that the uninterrupted one gives."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.api import Run, run
from blockwright.files import sha256_of
from blockwright.running.files import RunFiles
from blockwright.running.pipeline import StepFailed

DRIVER = Path(__file__).with_name("killed_run.py")
RESULTS = ("02-scores/scores.json", "03-costs/costs.json", "04-solve/solution.json", "05-build/child/model.safetensors")
EVALUATION = "07-evaluation/evaluation.json"
KILLS = (
    ("00-parent", 1),
    ("01-library", 0),
    ("01-library", 6),
    ("02-scores", 4),
    ("03-costs", 0),
    ("04-solve", 3),
    ("05-build", 0),
    ("06-refit", 1),
    ("07-evaluation", 1),
)


def results(finished: Run) -> dict[str, str]:
    """Checksums of all that the recipe promises, the last child and its evaluation among them."""
    files = {name: finished.directory / name for name in (*RESULTS, EVALUATION)}
    files["last child"] = finished.child / "model.safetensors"
    return {name: sha256_of(path) for name, path in files.items()}


@pytest.fixture(scope="module")
def uninterrupted(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(make_recipe(tmp_path_factory.mktemp("uninterrupted")))


def kill(recipe: Path, step: str, event: int) -> None:
    """Starts the run in a process of its own, which must die of SIGKILL at that event."""
    command = [sys.executable, str(DRIVER), str(recipe), step, str(event)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, f"{step} was not killed at its event {event}: {ended.stderr}"
    assert not (recipe.parent / "runs" / "tiny" / step / "done.json").exists()


def events(run_directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run_directory / "log.jsonl").read_text().splitlines()]


def steps_that_ran(run_directory: Path) -> list[object]:
    """Of the last start."""
    logged = events(run_directory)
    start = max(index for index, event in enumerate(logged) if event["event"] == "run_started")
    return [event["step"] for event in logged[start:] if event["event"] == "step_started"]


def test_killed_once_in_every_step_a_run_ends_in_the_bytes_of_an_uninterrupted_one(
    recipe: Path, uninterrupted: Run
) -> None:
    for step, event in KILLS:
        kill(recipe, step, event)
    assert results(run(recipe)) == results(uninterrupted)


def test_killed_scoring_goes_on_with_the_sub_blocks_that_are_left(recipe: Path) -> None:
    kill(recipe, "02-scores", 4)
    directory = recipe.parent / "runs" / "tiny"
    stored = {path.name: path.stat().st_mtime_ns for path in (directory / "02-scores" / "parts").iterdir()}
    assert 0 < len(stored) < 8
    run(recipe)
    after = {path.name: path.stat().st_mtime_ns for path in (directory / "02-scores" / "parts").iterdir()}
    assert len(after) == 8
    assert {name: after[name] for name in stored} == stored


def test_finished_run_does_nothing_again(recipe: Path) -> None:
    first = run(recipe)
    before = results(first)
    assert results(run(recipe)) == before
    assert steps_that_ran(first.directory) == []


def test_changed_budget_starts_again_at_the_costs_and_changed_evaluation_text_at_the_evaluation(recipe: Path) -> None:
    directory = run(recipe).directory
    run(recipe, "budget.params=70%")
    assert steps_that_ran(directory) == ["03-costs", "04-solve", "05-build", "06-refit", "07-evaluation"]
    run(recipe, "budget.params=70%", "text.evaluation_tokens=512")
    assert steps_that_ran(directory) == ["00-parent", "07-evaluation"]


def test_changed_seed_does_everything_again(recipe: Path) -> None:
    directory = run(recipe, "stages=[]").directory
    run(recipe, "stages=[]", "seed=1")
    assert len(steps_that_ran(directory)) == 7


def test_stage_that_the_recipe_no_longer_has_leaves_no_folder(recipe: Path) -> None:
    directory = run(recipe).directory
    run(recipe, "stages=[]")
    assert sorted(path.name for path in directory.glob("0[67]-*")) == ["06-evaluation"]


def test_resolved_recipe_in_the_run_gives_the_same_run(recipe: Path, uninterrupted: Run, tmp_path: Path) -> None:
    again = run(uninterrupted.directory / "recipe.yaml", f"runs={tmp_path / 'others'}")
    assert results(again) == results(uninterrupted)


def test_crash_in_a_step_is_one_line_with_its_traceback_in_the_log(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = run(recipe).directory
    monkeypatch.setattr(RunFiles, "scores", lambda files: {})
    with pytest.raises(StepFailed, match=r"04-solve failed: KeyError.*log\.jsonl"):
        run(recipe, "seed=0", "search.rounds=0")
    failure = events(directory)[-1]
    assert failure["event"] == "run_failed"
    assert "Traceback" in str(failure["traceback"])
