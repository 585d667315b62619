"""Two runs in one directory, a lock that a dead process left, directories that take no writing, clocks set back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

pytestmark = pytest.mark.faults
IS_FULL = os.environ.get("BLOCKWRIGHT_FAULTS") == "full"
NOBODY = 65534
TEN_DAYS_S = 10 * 24 * 3600
Injected = Callable[[str], AbstractContextManager[None]]


def test_a_second_run_in_a_directory_is_refused_naming_the_first_which_goes_on(
    pipeline: Any, uninterrupted: Any, injected: Injected
) -> None:
    first = pipeline.start()
    assert pipeline.wait_for_events(4, first), first.said()
    with injected("two runs in one directory"):
        code, said = pipeline.end()
        assert (code, len(said.splitlines())) == (2, 1), said
        assert f"process {first.pid} is at work on this run" in said
        assert pipeline.python.wait(first) == 0, first.said()
        assert pipeline.results() == uninterrupted.results


def test_the_lock_of_a_killed_run_is_taken_over(
    copy_of_the_run: Callable[[str], Any], uninterrupted: Any, injected: Injected
) -> None:
    pipeline = copy_of_the_run("08-evaluation")
    logged = len(pipeline.log())
    started = pipeline.start()
    assert pipeline.wait_for_events(2, started, since=logged)
    pipeline.strike(started, signal.SIGKILL)
    with injected("lock of a killed process"):
        assert (pipeline.directory / "lock").read_text().strip() == str(started.pid)
        assert pipeline.finish() == uninterrupted.results


def test_a_directory_that_the_user_may_not_write_to_is_told_in_a_line(
    copy_of_the_run: Callable[[str], Any], uninterrupted: Any, injected: Injected
) -> None:
    """Rights bind no root, so the run is that of another user there."""
    pipeline = copy_of_the_run("08-evaluation")
    other = {"user": NOBODY} if os.geteuid() == 0 else {}
    if not other:
        (pipeline.directory / "lock").chmod(0o444)
    with injected("directory without the right to write"):
        code, said = pipeline.end(**other)
        assert code == 1, said
        assert re.search(r"Permission denied: \S+", said.splitlines()[-1]), said
        assert "Traceback" not in said
        (pipeline.directory / "lock").chmod(0o644)
        assert pipeline.finish() == uninterrupted.results


def test_a_read_only_file_system_is_told_in_a_line(
    copy_of_the_run: Callable[[str], Any], uninterrupted: Any, injected: Injected
) -> None:
    pipeline = copy_of_the_run("08-evaluation")
    place = str(pipeline.directory)
    mounted = subprocess.run(["mount", "--bind", place, place], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a read-only file system needs the right to mount one: {mounted.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        with injected("read-only file system"):
            code, said = pipeline.end()
            assert code == 1, said
            assert re.search(r"Read-only file system: \S+", said.splitlines()[-1]), said
            assert "Traceback" not in said
    finally:
        subprocess.run(["umount", place], check=True)
    with injected("read-only file system, writable again"):
        assert pipeline.finish() == uninterrupted.results


@pytest.mark.parametrize("step", ["06-distill", "01-library"] if IS_FULL else ["06-distill"])
def test_with_the_clock_set_back_a_killed_run_goes_on(
    step: str, copy_of_the_run: Callable[[str], Any], uninterrupted: Any, injected: Injected
) -> None:
    """To the run that goes on, the files of the one before are of days to come."""
    pipeline = copy_of_the_run(step)
    logged = len(pipeline.log())
    started = pipeline.start()
    assert pipeline.wait_for_events(18, started, since=logged), started.said()
    pipeline.strike(started, signal.SIGKILL)
    to_come = time.time() + TEN_DAYS_S
    for path in pipeline.recipe.parent.rglob("*"):
        os.utime(path, (to_come, to_come))
    with injected("clock set back ten days"):
        before = pipeline.finished_steps()
        assert pipeline.finish() == uninterrupted.results
        assert before.items() <= pipeline.finished_steps().items()
