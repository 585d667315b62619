"""Files that are whole or absent: written beside their place and moved into it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from blockwright.seals import seal

LICENCE_FILES = ("LICENSE*", "LICENCE*", "NOTICE*", "COPYING*", "USE_POLICY*")  # must go where the weights go


@contextmanager
def write_atomically(path: Path, grows: bool = False) -> Iterator[Path]:
    """Gives a path beside `path` to write to; it takes the real name when the block ends well, else it goes.

    In the folder of a step at work it is sealed; what `grows` may have more written behind it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        _flush(beside)
        seal(beside, path, grows)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def write_directory_atomically(directory: Path) -> Iterator[Path]:
    """Gives an empty folder beside `directory`; it takes the real name when the block ends well.

    A kill leaves at most the folder beside, which the next call empties; an existing `directory` is an error.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    beside = directory.with_name(f".{directory.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        seal(beside, directory)
        beside.rename(directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def claim(path: Path) -> None:
    """Takes the disk that a mapped file will fill: OSError now where it is full, in place of a dead process later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def write_json(path: Path, data: object) -> None:
    """JSON with sorted keys, atomically, so that equal data gives equal bytes."""
    with write_atomically(path) as beside:
        beside.write_text(json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_record(path: Path) -> Mapping[str, object]:
    """A small JSON object of ours; empty where there is none, or where it is damaged."""
    try:
        record = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def copy_licences(source: Path, target: Path) -> None:
    """The texts that must go where the weights go; those that are there already stay."""
    for pattern in LICENCE_FILES:
        for file in sorted(source.glob(pattern)):
            if file.is_file() and not (target / file.name).exists():
                shutil.copyfile(file, target / file.name)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
