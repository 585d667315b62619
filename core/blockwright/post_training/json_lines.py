"""Files of what is learned from: a JSON value a line, each with its place for whoever has to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blockwright.errors import UserError


def json_lines(file: Path, option: str) -> Iterator[tuple[str, Any]]:
    """`FILE:LINE` and what stands there, empty lines passed over.

    UserError for a file that is not there, which `option` of the stage has named, and for a line that is no JSON.
    """
    if not file.is_file():
        raise UserError(f"stages: {option}: there is no file {file}")
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if line.strip():
            place = f"{file}:{number}"
            try:
                yield place, json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{place}: no JSON: {error.msg}") from None
