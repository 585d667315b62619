"""Files that a stranger wrote, read by the command line: one line that says why, exit 2, and nothing written."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("hostile_files", Path(__file__).with_name("files.py"))
assert _spec is not None and _spec.loader is not None
files = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(files)

Refused = Callable[..., str]


def write(file: Path, content: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.mark.parametrize("case", files.RECIPES)
def test_recipes(case: str, recipe: Path, refused: Refused) -> None:
    refused("check", write(recipe, files.RECIPES[case](recipe.read_text())))


@pytest.mark.parametrize("case", files.OVERRIDES)
def test_overrides(case: str, recipe: Path, refused: Refused) -> None:
    refused("check", recipe, files.OVERRIDES[case])


@pytest.mark.parametrize("case", files.CONFIGS)
def test_configs(case: str, recipe: Path, checkpoint: Path, config: dict[str, Any], refused: Refused) -> None:
    write(checkpoint / "config.json", files.CONFIGS[case](config))
    refused("check", recipe, f"parent.model={checkpoint}")


@pytest.mark.parametrize("case", files.WEIGHTS)
def test_weights(case: str, recipe: Path, checkpoint: Path, refused: Refused) -> None:
    write(checkpoint / "model.safetensors", files.WEIGHTS[case])
    refused("check", recipe, f"parent.model={checkpoint}")


@pytest.mark.parametrize("case", files.PROFILES)
def test_profiles(case: str, tmp_path: Path, refused: Refused) -> None:
    write(tmp_path / "measured" / "gemm.csv", files.GEMM)
    refused("hardware", "show", write(tmp_path / "mine.yaml", files.PROFILES[case](files.PROFILE)))


@pytest.mark.parametrize("case", files.TABLES)
def test_tables(case: str, tmp_path: Path, refused: Refused) -> None:
    name, change = files.TABLES[case]
    write(tmp_path / "measured" / name, change(files.GEMM))
    refused("hardware", "show", write(tmp_path / "mine.yaml", files.PROFILE))


@pytest.mark.parametrize("case", ["recipe", "profile", "config", "space"])
def test_pipes_and_devices_are_not_waited_for(
    case: str, recipe: Path, checkpoint: Path, tmp_path: Path, refused: Refused
) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    (checkpoint / "config.json").unlink()
    (checkpoint / "config.json").symlink_to("/dev/zero")
    commands = {
        "recipe": ("check", pipe),
        "profile": ("hardware", "show", pipe),
        "config": ("check", recipe, f"parent.model={checkpoint}"),
        "space": ("check", recipe, f"space={pipe}"),
    }
    refused(*commands[case])


SLOW = ("a billion laughs", "nested lists without end", "interpolations that multiply", "a Python object")


@pytest.mark.parametrize("case", SLOW)
def test_a_process_of_its_own_ends_in_time(case: str, recipe: Path, tmp_path: Path) -> None:
    """As a user types it, in 5 seconds of CPU, the start included, and 8 GiB of addresses."""
    program = "from blockwright.cli import main; main()"
    write(recipe, files.RECIPES[case](recipe.read_text()))
    told = subprocess.run(
        [sys.executable, "-c", program, "check", recipe.name],
        capture_output=True, text=True, cwd=tmp_path, timeout=120, preexec_fn=_limited,
    )  # fmt: skip
    assert told.returncode == 2, told.stderr
    assert "Traceback" not in told.stderr and "--debug" not in told.stderr
    assert not (tmp_path / "harmed").exists()


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
