"""A run that a signal ends at any moment gives, by the same command, what the uninterrupted one gives."""

from __future__ import annotations

import bisect
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults
IS_FULL = os.environ.get("BLOCKWRIGHT_FAULTS") == "full"
KILLS, INTERRUPTIONS = (50, 5) if IS_FULL else (2, 1)
SOFT = {
    signal.SIGINT: (130, "interrupted; the same command goes on from here"),
    signal.SIGTERM: (143, "terminated; the same command goes on from here"),
}
Injected = Callable[[str], AbstractContextManager[None]]


def moments(number: int, cases: int, whole: float) -> Iterator[float]:
    """A random one in that part of the run's time; earlier ones where a run is faster and over by then."""
    chance = random.Random(f"{number} of {cases}")
    moment = (number + chance.random()) / cases * whole
    while True:
        yield moment
        moment *= 0.8


def struck(pipeline: Any, moment: float, events: list[float], number: signal.Signals) -> tuple[int, str]:
    """Ends a run at a moment of the uninterrupted one, so long after the event before it: its exit code and words."""
    event = bisect.bisect_right(events, moment)
    started = pipeline.start()
    reached = pipeline.wait_for_events(event, started)
    time.sleep(max(0.0, moment - events[event - 1]) if reached else 0.0)
    return pipeline.strike(started, number), started.said()


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_a_random_moment_a_run_ends_as_the_uninterrupted_one(
    number: int, make_pipeline: Callable[[Path], Any], uninterrupted: Any, injected: Injected, tmp_path: Path
) -> None:
    for moment in moments(number, KILLS, uninterrupted.moments[-1]):
        pipeline = make_pipeline(tmp_path / f"{moment:.3f}")
        if struck(pipeline, moment, uninterrupted.moments, signal.SIGKILL)[0] == -signal.SIGKILL:
            break
    with injected("SIGKILL at a random moment"):
        assert pipeline.finish() == uninterrupted.results, f"killed after {moment:.3f} s"


@pytest.mark.parametrize("kind", SOFT, ids=lambda kind: kind.name)
@pytest.mark.parametrize("number", range(INTERRUPTIONS))
def test_interrupted_at_a_random_moment_a_run_says_so_and_ends_as_the_uninterrupted_one(
    number: int,
    kind: signal.Signals,
    make_pipeline: Callable[[Path], Any],
    uninterrupted: Any,
    injected: Injected,
    tmp_path: Path,
) -> None:
    for moment in moments(number, INTERRUPTIONS, uninterrupted.moments[-1]):
        pipeline = make_pipeline(tmp_path / f"{moment:.3f}")
        code, said = struck(pipeline, moment, uninterrupted.moments, kind)
        if code:
            break
    with injected(f"{kind.name} at a random moment"):
        expected, words = SOFT[kind]
        assert code == expected, said
        assert words in said
        assert "Traceback" not in said
        assert not list(pipeline.directory.rglob("*.part"))
        assert pipeline.finish() == uninterrupted.results, f"interrupted after {moment:.3f} s"
