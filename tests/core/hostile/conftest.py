"""A command tried on a hostile file, in a folder in which nothing may change."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from blockwright.cli import app

CPU_SECONDS = 5.0  # of one input; the wall clock also counts what else the machine does
Refused = Callable[..., str]


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything below, by size and time of change."""
    stats = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session", autouse=True)
def _warm(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Imports are no input's fault."""
    told = CliRunner().invoke(app, ["check", str(make_recipe(tmp_path_factory.mktemp("warm")))])
    assert told.exit_code == 0, told.output


@pytest.fixture
def attempt(tmp_path: Path, record_property: Callable[[str, object], None]) -> Callable[..., tuple[int, str]]:
    """Runs a command: its exit code and what it says. No crash, no traceback, in time, and nothing written."""

    def run(*arguments: object) -> tuple[int, str]:
        before, start = tree(tmp_path), time.process_time()
        told = CliRunner().invoke(app, list(map(str, arguments)))
        seconds = time.process_time() - start
        assert seconds < CPU_SECONDS
        assert "Traceback" not in told.output and "--debug" not in told.output, told.output
        assert all(character.isprintable() or character == "\n" for character in told.output), ascii(told.output)
        assert tree(tmp_path) == before
        record_property("tried", 1)
        if told.exit_code == 2:
            record_property("refused", 1)
        return told.exit_code, told.output

    return run


@pytest.fixture
def refused(attempt: Callable[..., tuple[int, str]]) -> Refused:
    """The same of an input that must be refused: exit 2, and lines that say why."""

    def run(*arguments: object) -> str:
        code, told = attempt(*arguments)
        assert code == 2, (code, told[:2000])
        lines = told.splitlines()
        assert 0 < len(lines) < 100 and all(map(str.strip, lines))
        return told

    return run


@pytest.fixture
def checkpoint(parent_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny parent."""
    return Path(shutil.copytree(parent_folder, tmp_path / "checkpoint"))


@pytest.fixture
def config(checkpoint: Path) -> Iterator[Any]:
    return json.loads((checkpoint / "config.json").read_text())  # type: ignore[no-any-return]
