"""A full disk or memory ends a run with a line that says so; what was finished stays, and with room it goes on."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults
IS_FULL = os.environ.get("BLOCKWRIGHT_FAULTS") == "full"
STEPS = (
    "00-parent", "01-library", "02-scores", "03-costs", "04-solve", "05-build", "06-distill", "07-reasoning-sft",
    "08-evaluation",
)  # fmt: skip
BLOCK = 4096
DISK_WORDS = ("make room",)
MEMORY_WORDS = ("the memory is full",)
Injected = Callable[[str], AbstractContextManager[None]]
Copy = Callable[..., Any]


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[None]:
    """A file system of its own in memory."""
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small file system needs the right to mount one: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place: Path, blocks_left: int) -> Path:
    """A file that leaves so many blocks of the disk."""
    path = place / "filler"
    free = os.statvfs(place).f_bavail
    path.write_bytes(b"\0" * max(0, (free - blocks_left) * BLOCK))
    return path


def blocks_of(folder: Path) -> int:
    return sum(-(-path.stat().st_size // BLOCK) for path in folder.rglob("*") if path.is_file())


def refused(pipeline: Any, words: tuple[str, ...], **suffers: int) -> str:
    """The run's last line, which must say what is missing; steps that were finished stay as they were."""
    before = pipeline.finished_steps()
    code, said = pipeline.end(**suffers)
    assert code in (1, 2), said
    assert "Traceback" not in said, said
    last = said.rstrip().splitlines()[-1]
    assert any(word in last for word in words), said
    assert before.items() <= pipeline.finished_steps().items()
    return str(last)


@pytest.mark.parametrize("step", STEPS if IS_FULL else ["06-distill"])
def test_a_disk_that_is_full_in_a_step_is_named_and_with_room_the_run_goes_on(
    step: str, copy_of_the_run: Copy, uninterrupted: Any, injected: Injected, pipeline: Any
) -> None:
    blocks = blocks_of(uninterrupted.pipeline.directory / step)
    for left in {random.Random(step).randrange(1, max(2, blocks)), *((1,) if IS_FULL else ())}:
        with small_disk(pipeline.directory.parent, 16 * 2**20):
            copy_of_the_run(step)
            with injected("full disk (small tmpfs)"):
                filler = fill(pipeline.directory.parent, left)
                refused(pipeline, DISK_WORDS)
                filler.unlink()
                assert pipeline.finish() == uninterrupted.results
        pipeline.directory.parent.rmdir()


@pytest.mark.parametrize("step", STEPS if IS_FULL else ["06-distill"])
def test_a_file_that_may_not_grow_is_named_and_without_the_limit_the_run_goes_on(
    step: str, copy_of_the_run: Copy, uninterrupted: Any, injected: Injected
) -> None:
    largest = max(path.stat().st_size for path in (uninterrupted.pipeline.directory / step).rglob("*.*"))
    log = (uninterrupted.pipeline.directory / "log.jsonl").stat().st_size
    pipeline = copy_of_the_run(step)
    with injected("file size limit (RLIMIT_FSIZE)"):
        (pipeline.directory / "log.jsonl").unlink()
        refused(pipeline, DISK_WORDS, file_bytes=largest - 1 if largest > log else min(largest - 1, log // 4))
        assert pipeline.finish() == uninterrupted.results


@pytest.mark.parametrize("step", STEPS if IS_FULL else ["01-library"])
def test_memory_that_is_full_is_named_and_with_more_of_it_the_run_goes_on(
    step: str, copy_of_the_run: Copy, uninterrupted: Any, injected: Injected
) -> None:
    pipeline = copy_of_the_run(step)
    with injected("memory limit (RLIMIT_AS)"):
        refused(pipeline, MEMORY_WORDS, memory_bytes=0)
        assert pipeline.finish() == uninterrupted.results
