"""What a person sees while a run is under way: bars on a terminal, a line an event elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from blockwright.events import Event, listening
from blockwright.terminal.tables import as_duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def shown_progress(stream: TextIO | None = None) -> Iterator[None]:
    """Shows the events of the with-block in the way that suits the stream, standard error unless told otherwise."""
    stream = stream or sys.stderr
    if stream.isatty():
        with _bars():
            yield
    else:
        pace = Pace()
        with listening(lambda event: print(as_line(event) + pace.of(event), file=stream, flush=True)):
            yield


def as_line(event: Event) -> str:
    """`layer_built 3/30 layer=2`."""
    progress = [] if event.done is None else [f"{event.done}/{event.total}"]
    fields = [f"{name}={value}" for name, value in event.fields.items()]
    return " ".join([event.name, *progress, *fields])


class Pace:
    """How fast things are done within a step, and the time that those of a word still take, from their mean so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: dict[str, tuple[float, int]] = {}  # when each word was heard first in this step, and its count

    def of(self, event: Event) -> str:
        """` (0.5/s, 54 s left)`; nothing for events without a count, and for the first of a word."""
        if event.name == "step_started":
            self._first.clear()
        if event.done is None or event.total is None or event.name == "step_passed":
            return ""
        now = self._clock()
        began, count = self._first.setdefault(event.name, (now, event.done))
        seconds, done = now - began, event.done - count
        if done <= 0 or seconds <= 0:
            return ""
        rate = done / seconds
        left = as_duration((event.total - event.done) / rate)
        return f" ({as_rate(rate)}, {left} left)" if event.done < event.total else f" ({as_rate(rate)})"


def as_rate(per_second: float) -> str:
    """`12/s`, or `3.5 s each` for what takes longer than a second."""
    return f"{per_second:.3g}/s" if per_second >= 1 else f"{as_duration(1 / per_second)} each"


class _Bars:
    """One bar for each word that comes with a total, cleared when a step is finished."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if event.name in ("step_started", "step_skipped", "step_finished"):
            self._next_step(event)
        elif event.name in ("observer_failed", "step_damaged"):
            self._progress.console.print(as_line(event), highlight=False, markup=False)
        elif event.done is not None and event.name != "step_passed":
            self._advance(event)

    def _next_step(self, event: Event) -> None:
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()
        seconds = event.fields.get("seconds")
        words = {"step_started": "…", "step_skipped": "done before", "step_finished": f"done in {seconds} s"}
        self._progress.console.print(f"{event.fields['step']}  {words[event.name]}", highlight=False)

    def _advance(self, event: Event) -> None:
        if event.name not in self._tasks:
            self._tasks[event.name] = self._progress.add_task(event.name.replace("_", " "), total=event.total)
        self._progress.update(self._tasks[event.name], completed=event.done, total=event.total)


@contextmanager
def _bars() -> Iterator[None]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )  # fmt: skip
    from rich.text import Text

    class Rate(ProgressColumn):
        """How many a second, once that is known."""

        def render(self, task: Task) -> Text:
            return Text("" if not task.speed else as_rate(task.speed))

    words, left = TextColumn("{task.description}"), TimeRemainingColumn()
    columns = (words, BarColumn(), MofNCompleteColumn(), Rate(), left, TextColumn("left"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress, listening(_Bars(progress)):
        yield
