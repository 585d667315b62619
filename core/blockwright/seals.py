"""Checksums of what a step writes while it is at work, so that the next start trusts no file that was damaged since.

Each file that becomes whole leaves a line in `seals.jsonl` of its step's folder, before it takes its place. A step that
is finished needs them no more: its `done.json` holds the checksums of all that it left.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

STARTED, DONE, SEALS = "started.json", "done.json", "seals.jsonl"
_BLOCK = 1 << 20

Seal = tuple[int, str, bool]  # bytes, SHA-256 of these, and whether more may follow them


def seal(path: Path, place: Path | None = None, grows: bool = False) -> None:
    """Notes what a file, or each in a folder, holds, which is or will be at `place`; nothing outside of steps at work.

    A file that `grows` may have other bytes behind those that are sealed.
    """
    place = place or path
    step = _step_at_work(place.absolute())
    if step is None:
        return
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    lines = []
    for file in files:
        name = (place / file.relative_to(path)).absolute().relative_to(step)
        if not any(part.endswith(".part") for part in name.parts):
            size = file.stat().st_size
            line = {"file": str(name), "bytes": size, "sha256": _digest(file, size), "grows": grows}
            lines.append(json.dumps(line) + "\n")
    with (step / SEALS).open("a") as journal:
        journal.write("".join(lines))


def broken_seals(step: Path) -> tuple[str, ...]:
    """Files of a step at work that are none of what was sealed under their names; those that are gone are left out.

    A kill can come between a seal and its file, so that the one before still stands for it; of what grows, where each
    seal is of more, or of less of the same, the last must hold.
    """
    return tuple(name for name, seals in _read(step / SEALS).items() if not _holds(step / name, seals))


def _holds(path: Path, seals: list[Seal]) -> bool:
    if path.is_symlink():
        return False
    if not path.is_file():
        return not path.exists()
    size, digests = path.stat().st_size, dict[int, str]()
    for length, digest, grows in seals[-1:] if seals[-1][2] else seals[::-1]:
        if size == length or (grows and size > length):
            digests[length] = digests.get(length) or _digest(path, length)
            if digests[length] == digest:
                return True
    return False


def _read(journal: Path) -> Mapping[str, list[Seal]]:
    """By file; lines that a kill has cut say nothing."""
    found: dict[str, list[Seal]] = {}
    for name, one in _lines(journal):
        found.setdefault(name, []).append(one)
    return found


def _lines(journal: Path) -> Iterator[tuple[str, Seal]]:
    try:
        lines = journal.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            said = json.loads(line)
            yield str(said["file"]), (int(said["bytes"]), str(said["sha256"]), bool(said["grows"]))
        except (ValueError, KeyError, TypeError):
            continue


def _step_at_work(path: Path) -> Path | None:
    """The folder of the step that a file is part of, while that is not finished."""
    step = next((folder for folder in path.parents if (folder / STARTED).is_file()), None)
    return None if step is None or (step / DONE).exists() else step


def _digest(path: Path, size: int) -> str:
    """Of the first so many bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()
