"""Files that somebody else wrote: regular, of a bounded size, of the form they should have, or one line says why."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path

from blockwright.errors import UserError, first_line

LARGEST_JSON = 32 * 2**20  # bytes; the index of a model of 405 billion weights has 100 kB


def read_bytes(file: Path, most: int) -> bytes:
    """A file of at most `most` bytes; UserError for what is not there, is no plain file, is larger or cannot be read.

    A pipe or a device would block or never end, so the kind and the size are looked at before anything is read.
    """
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{file}: is no plain file")
        if found.st_size > most:
            raise UserError(f"{file}: has {found.st_size:,} bytes; a file of at most {most:,} is read")
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{file}: there is no such file") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # a zero byte in its name
        raise UserError(f"{str(file)!r}: cannot be read ({first_line(error)})") from None


def read_json(file: Path) -> object:
    """UserError for what is no JSON, or is nested too deep to be read."""
    text = read_bytes(file, LARGEST_JSON)
    try:
        return json.loads(text)
    except RecursionError:
        raise UserError(f"{file}: is nested too deep") from None
    except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
        raise UserError(f"{file}: is no JSON ({first_line(error)})") from None


def read_json_object(file: Path) -> Mapping[str, object]:
    """A JSON object; UserError for any other JSON."""
    found = read_json(file)
    if not isinstance(found, dict):
        raise UserError(f"{file}: expected a JSON object, got {type(found).__name__}")
    return found
