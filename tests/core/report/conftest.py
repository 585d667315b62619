"""A finished run of the tiny recipe, and copies of it to change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.api import run


@pytest.fixture(scope="session")
def finished(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder; tests only read it."""
    return run(make_recipe(tmp_path_factory.mktemp("reported"))).directory


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The same run in a folder of the test's own."""
    return Path(shutil.copytree(finished, tmp_path / "tiny"))
