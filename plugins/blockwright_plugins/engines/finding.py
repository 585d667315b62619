"""Where an engine is: in the folder that `tools/make_engines.sh` fills, in one of its own, or on the path."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from blockwright.engines import EngineSettings
from blockwright.errors import UserError

VARIABLE = "BLOCKWRIGHT_ENGINES"


def find_program(settings: EngineSettings, engine: str, program: str, on_path: bool = True) -> Path:
    """A program of an engine; UserError where there is none, with what to type."""
    folder = settings.folder or _from_environment()
    places = [] if folder is None else [folder / engine / "bin", folder / "bin", folder]
    for place in places:
        if (place / program).is_file():
            return (place / program).absolute()
    found = shutil.which(program) if on_path and settings.folder is None else None
    if found is None:
        where = f"in {folder}" if folder else "on the path"
        raise UserError(
            f"--engine {engine}: no {program} {where}; type `bash tools/make_engines.sh .engines {engine}` in "
            f"Blockwright's source folder, then add --engine-path .engines (or set {VARIABLE}), "
            f"or give the folder that {program} is in"
        )
    return Path(found)


def _from_environment() -> Path | None:
    value = os.environ.get(VARIABLE)
    return Path(value) if value else None
