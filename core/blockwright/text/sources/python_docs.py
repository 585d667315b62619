"""`pydoc:modules` and `pydoc:topics`: the documentation that comes with Python."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from blockwright.errors import UserError, did_you_mean
from blockwright.text.sources.reading import Reading

# Importing these opens a browser or a window, prints, or takes long.
UNREAD = {"antigravity", "this", "idlelib", "turtle", "turtledemo", "tkinter", "test", "lib2to3", "ensurepip"}
NEEDED_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
MODULES_AT_ONCE = 32
RENDERING = Path(__file__).with_name("pydoc_rendering.py")


def read(argument: str, reading: Reading) -> Iterator[str]:
    """One document a module, or one a topic of the language reference."""
    kinds = {"modules": _modules, "topics": _topics}
    if argument not in kinds:
        raise UserError(f"text: pydoc has no '{argument}'{did_you_mean(argument, kinds)}")
    return kinds[argument](reading)


def _topics(reading: Reading) -> Iterator[str]:
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    yield from (topics[name] for name in reading.shuffled(sorted(topics)))


def _modules(reading: Reading) -> Iterator[str]:
    public = [name for name in sys.stdlib_module_names if not name.startswith("_") and name not in UNREAD]
    names = reading.shuffled(sorted(public))
    for start in range(0, len(names), MODULES_AT_ONCE):
        yield from _rendered(names[start : start + MODULES_AT_ONCE])


def _rendered(names: list[str]) -> list[str]:
    """Rendered by a fresh interpreter: modules are imported there, and reprs do not change from run to run.

    It gets next to none of this process's environment, which documentation shows as defaults of arguments.
    """
    environment = {name: os.environ[name] for name in NEEDED_VARIABLES if name in os.environ}
    finished = subprocess.run(
        [sys.executable, "-P", "-s", str(RENDERING), *names],
        env={**environment, "PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=600,
    )
    texts: list[str] = json.loads(finished.stdout)
    return texts
