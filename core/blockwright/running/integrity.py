"""Whether a finished step's files are still what it wrote: lengths and SHA-256, which its `done.json` holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from blockwright.errors import UserError
from blockwright.files import read_record, sha256_of
from blockwright.seals import DONE, SEALS, STARTED


def checksums(folder: Path) -> dict[str, dict[str, object]]:
    """Of all files that a step has left in its folder, by their place in it."""
    names = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name not in (STARTED, DONE, SEALS)
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(lambda name: _digest(folder / name), names)
    pairs = zip(names, digests, strict=True)
    return {name: {"sha256": digest, "bytes": (folder / name).stat().st_size} for name, digest in pairs}


def damaged(folder: Path, done: Mapping[str, object]) -> tuple[str, ...]:
    """The files of a finished step that are gone, cut, or hold other bytes; each is read once in a process.

    All of them where the record itself is damaged.
    """
    files = done.get("files")
    if not isinstance(files, dict) or not all(isinstance(file, dict) for file in files.values()):
        return (DONE,)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        whole = pool.map(lambda item: _is_whole(folder / item[0], item[1]), files.items())
    return tuple(name for name, is_whole in zip(files, whole, strict=True) if not is_whole)


def require_whole(directory: Path, name: str) -> Path:
    """A run's file, or all in a folder, once its step is finished; UserError for one that was damaged since.

    `name` is relative to the run's directory and starts with the step's. Steps at work have no record to compare with.
    """
    step, _, inside = name.partition("/")
    folder = directory / step
    files = read_record(folder / DONE).get("files")
    if isinstance(files, dict):
        asked = {file: record for file, record in files.items() if file == inside or file.startswith(f"{inside}/")}
        for file in damaged(folder, {"files": asked}):
            raise UserError(
                f"{folder / file}: not what the step wrote (its checksum differs); "
                "`blockwright run` with the same recipe does that step again"
            )
    return directory / name


def _is_whole(path: Path, record: Mapping[str, object]) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != record.get("bytes"):
        return False
    return _digest(path) == record.get("sha256")


def _digest(path: Path) -> str:
    stat = path.stat()
    return _digest_of(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=100_000)
def _digest_of(path: Path, size: int, changed_ns: int, inode: int) -> str:  # part of the cache's key
    return sha256_of(path)
