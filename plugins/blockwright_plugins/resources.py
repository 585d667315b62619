"""The search spaces and hardware profiles that come with Blockwright."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from blockwright.plugins import hookimpl
from blockwright.resources import Resources


@hookimpl
def register_resources() -> list[Resources]:
    return [
        Resources("searchspaces", Path(str(files("blockwright_spaces")))),
        Resources("hardware", Path(str(files("blockwright_hardware")))),
    ]
