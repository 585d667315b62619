"""`doctor` and `init`, and runs that this machine has no room for."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blockwright.cli import app
from blockwright.recipes.checking import check_recipe
from blockwright.running import pipeline, room
from blockwright.running.room import Memory


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_doctor_says_what_is_here_and_what_to_type_for_what_is_not() -> None:
    result = invoke("doctor", "--json")
    found = {one["subject"]: one for one in json.loads(result.stdout)["machine"]}
    assert result.exit_code == 0
    assert {"Python", "torch", "memory", "disk", "GPUs and driver", "flash-attn", "plugins"} <= set(found)
    assert found["engine torch"]["found"].startswith("torch ")
    assert all(one["found"] or one["advice"] for one in found.values())


def test_doctor_says_that_a_small_recipe_fits(recipe: Path) -> None:
    result = invoke("doctor", recipe, "--json")
    needs = json.loads(result.stdout)["recipe"]
    assert result.exit_code == 0
    assert [one["what"].split()[0] for one in needs] == ["memory", "disk"]


def test_doctor_ends_with_1_where_memory_lacks(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockwright.first_run.needs.memory_here", lambda: Memory(2**20, 2**20))
    result = invoke("doctor", recipe, "--json")
    assert result.exit_code == 1
    assert "text.calibration_tokens" in json.loads(result.stdout)["recipe"][0]["advice"]


def test_doctor_tells_a_recipes_mistakes(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("- refit", "- refitt"))
    result = invoke("doctor", recipe)
    assert result.exit_code == 1
    assert "refit" in result.stdout


@pytest.mark.parametrize(
    ("memory", "disk", "words"), [(2**20, 2**60, "of memory"), (2**60, 10, "make room, or give another place")]
)
def test_a_run_without_room_is_refused_before_it_starts(
    memory: float, disk: float, words: str, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "memory_here", lambda: Memory(memory, memory))
    monkeypatch.setattr(room, "disk_here", lambda _: disk)
    result = invoke("run", recipe)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (recipe.parent / "runs" / "tiny" / "00-parent").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "the memory is full"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "the memory is full"),
        (OSError(28, "No space left on device"), "make room, and the same command goes on from here"),
        (KeyboardInterrupt(), "the same command goes on from here"),
    ],
)
def test_a_run_that_ends_midway_says_how_to_go_on(
    error: BaseException, words: str, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise error

    monkeypatch.setattr(pipeline.LibraryStep, "run", end)
    stopped = invoke("run", recipe)
    assert stopped.exit_code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert words in stopped.stderr.splitlines()[-1]
    monkeypatch.undo()
    assert invoke("run", recipe, "--json").exit_code == 0


def test_init_writes_a_recipe_that_passes_check(parent_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    given = ("init", path, "--parent", parent_folder, "--hardware", "h100-sxm", "--budget", "params=90%", "--yes")
    result = invoke(*given)
    assert result.exit_code == 0, result.stderr
    checked = check_recipe(path)
    assert (checked.recipe.name, checked.recipe.hardware, checked.recipe.budget.params) == ("mine", "h100-sxm", "90%")
    again = invoke(*given)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert invoke(*given, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("budget", "words"), [("params", "KEY=LIMIT"), ("parms=90%", "did you mean 'params'"), ("params=1%", "budget")]
)
def test_init_writes_nothing_that_would_not_pass(budget: str, words: str, parent_folder: Path, tmp_path: Path) -> None:
    result = invoke("init", tmp_path / "mine.yaml", "--parent", parent_folder, "--budget", budget, "--yes")
    assert result.exit_code == 2
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_init_without_a_terminal_asks_for_the_parent(tmp_path: Path) -> None:
    result = invoke("init", tmp_path / "mine.yaml")
    assert result.exit_code == 2
    assert "--parent" in result.stderr


def test_init_asks_at_a_terminal_for_what_was_not_given(parent_folder: Path, tmp_path: Path) -> None:
    path, (keyboard, stdin) = tmp_path / "mine.yaml", pty.openpty()
    command = [sys.executable, "-c", "from blockwright.cli import main; main()", "init", str(path)]
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.write(keyboard, f"{parent_folder}\n\nparams=70%\n".encode())
        said, wrong = process.communicate(timeout=120)
    assert process.returncode == 0, wrong
    assert [word in said for word in ("Parent", "Hardware", "Budget")] == [True] * 3
    recipe = check_recipe(path).recipe
    assert (recipe.parent.model, recipe.hardware, recipe.budget.params) == (str(parent_folder), None, "70%")
