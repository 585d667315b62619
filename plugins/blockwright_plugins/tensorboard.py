"""`BLOCKWRIGHT_TRACKERS=tensorboard` writes a run's figures as TensorBoard scalars into RUN/tensorboard."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.events import Event
from blockwright.plugins import hookimpl

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

VARIABLE, NAME = "BLOCKWRIGHT_TRACKERS", "tensorboard"
FLUSH_SECONDS = 5
NO_STEP = "run"  # the folder of what is told outside the steps


class Tracker:
    """A folder a step of the run, and in it a scalar for each number that an event with a training step has.

    Events without one are numbered as they come; of them only what is no whole number is a figure.
    """

    def __init__(self) -> None:
        self._root: Path | None = None
        self._folder = NO_STEP
        self._writer: SummaryWriter | None = None
        self._seen: dict[str, int] = {}

    def see(self, event: Event) -> None:
        if event.name == "run_started":
            self._begin(Path(str(event.fields["directory"])) / "tensorboard")
        if self._root is None:
            return
        if event.name in ("step_started", "step_skipped"):
            self._turn_to(str(event.fields["step"]))
        self._write(event)
        if event.name in ("step_finished", "run_finished"):
            self._turn_to(NO_STEP)

    def _begin(self, root: Path) -> None:
        self._turn_to(NO_STEP)
        self._root = None
        if not _is_wanted():
            return
        try:
            importlib.import_module("tensorboard")
        except ModuleNotFoundError:
            raise UserError(f"{VARIABLE}={NAME} needs a package; type `pip install 'blockwright[{NAME}]'`") from None
        self._root = root

    def _turn_to(self, folder: str) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._folder = None, folder
        self._seen.clear()

    def _write(self, event: Event) -> None:
        going_on_from = event.fields.get("from_step")
        if isinstance(going_on_from, int):  # what a killed run wrote beyond it is hidden
            self._turn_to(self._folder)
            self._open(hidden_from=going_on_from + 1)
        for name, value, step in self._scalars(event):
            self._open().add_scalar(f"{event.name}/{name}", value, step)

    def _scalars(self, event: Event) -> Iterator[tuple[str, float, int]]:
        step = event.fields.get("step")
        numbers = {name: value for name, value in event.fields.items() if _is_number(value) and name != "step"}
        if isinstance(step, int):
            yield from ((name, float(str(value)), step) for name, value in numbers.items())
            return
        figures = {name: value for name, value in numbers.items() if isinstance(value, float)}
        if figures:
            self._seen[event.name] = self._seen.get(event.name, 0) + 1
        yield from ((name, value, self._seen[event.name]) for name, value in figures.items())

    def _open(self, hidden_from: int | None = None) -> SummaryWriter:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            assert self._root is not None
            folder = self._root / self._folder
            self._writer = SummaryWriter(folder, purge_step=hidden_from, flush_secs=FLUSH_SECONDS)
        return self._writer


def _is_wanted() -> bool:
    return NAME in [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TRACKER = Tracker()


@hookimpl
def observe(event: Event) -> None:
    TRACKER.see(event)
