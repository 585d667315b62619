"""The run directory: one folder a step, each finished by a `done.json` that is written last."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.files import read_record, write_json
from blockwright.running.integrity import checksums, damaged
from blockwright.seals import DONE, SEALS, STARTED, broken_seals

LOCK = "lock"
FEW = 5  # damaged files that are told by name


def step_key(name: str, config: object, inputs: tuple[str, ...], versions: Mapping[str, str], seed: int) -> str:
    """What a step's result depends on, as a hash: equal keys promise equal results."""
    parts = {"step": name, "config": config, "inputs": inputs, "versions": dict(versions), "seed": seed}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


class RunDirectory:
    """Does steps at most once, and knows after a kill what was finished, what was begun and what is out of date."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder(self, step: str) -> Path:
        return self.path / step

    def is_done(self, step: str, key: str) -> bool:
        """Whether the step finished with this key and its files are what it wrote, byte by byte."""
        done = read_record(self.folder(step) / DONE)
        if done.get("key") != key:
            return False
        found = damaged(self.folder(step), done)
        if found:
            emit("step_damaged", step=step, files=found[:FEW], damaged=len(found))
        return not found

    def seconds(self, step: str) -> float | None:
        """How long the step took when it was finished, None while it is not."""
        seconds = read_record(self.folder(step) / DONE).get("seconds")
        return float(seconds) if isinstance(seconds, int | float) else None

    def do(self, step: str, key: str, work: Callable[[Path], None]) -> None:
        """Runs `work` on the step's folder; what a killed run of the same key left there is kept for it."""
        if self.is_done(step, key):
            emit("step_skipped", step=step)
            return
        folder = self._begin(step, key)
        emit("step_started", step=step)
        start = time.perf_counter()
        work(folder)
        _remove_parts(folder)  # of workers that were killed, while the step went on
        seconds = round(time.perf_counter() - start, 3)
        write_json(folder / DONE, {"key": key, "seconds": seconds, "files": checksums(folder)})
        (folder / SEALS).unlink(missing_ok=True)
        emit("step_finished", step=step, seconds=seconds)

    def _begin(self, step: str, key: str) -> Path:
        folder = self.folder(step)
        if folder.is_symlink():
            raise UserError(f"{folder}: is a link; a step is written inside its run, so remove the link")
        goes_on = read_record(folder / STARTED).get("key") == key and not (folder / DONE).exists()
        if not goes_on or self._is_damaged(step):
            clear(folder)
        _remove_parts(folder)
        write_json(folder / STARTED, {"key": key})
        return folder

    def _is_damaged(self, step: str) -> bool:
        """Whether what a killed run left is no more what it wrote; what depends on it cannot be told apart."""
        found = broken_seals(self.folder(step))
        if found:
            emit("step_damaged", step=step, files=found[:FEW], damaged=len(found))
        return bool(found)

    def remove_all_but(self, steps: frozenset[str]) -> None:
        """Removes folders of steps that the recipe no longer asks for; folders that no step made are left alone."""
        for folder in sorted(self.path.glob("[0-9][0-9]-*")):
            if folder.name not in steps and not folder.is_symlink() and (folder / STARTED).exists():
                clear(folder)
                folder.rmdir()
                emit("step_removed", step=folder.name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run for this process; the system lets go of a lock when its process is killed."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK).open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise UserError(
                    f"{self.path}: process {file.read().strip()} is at work on this run; wait for it"
                ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield


def _remove_parts(folder: Path) -> None:
    """What a killed process has half written."""
    for left_by_a_kill in list(folder.rglob(".*.part")):
        remove(left_by_a_kill)


def clear(folder: Path) -> None:
    """Empties a step's folder, its `started.json` without a key last, so that a kill midway ends in clearing again."""
    write_json(folder / STARTED, {"key": None})
    (folder / DONE).unlink(missing_ok=True)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == STARTED):
        remove(path)


def remove(path: Path) -> None:
    """A file, a link or a whole folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
