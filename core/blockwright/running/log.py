"""The run's log: one JSON object a line, an event each, with the time."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from blockwright.events import Event, Listener, listening

LOG = "log.jsonl"


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Appends every event of the with-block to the log, and the traceback of an exception that ends it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _end_a_broken_line(path)
    with path.open("a", encoding="utf-8") as file:
        logger = structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer(default=str)],
        )
        with listening(_writer(logger)):
            try:
                yield
            except Exception as error:
                logger.error("run_failed", error=repr(error), traceback=traceback.format_exc())
                raise


def _writer(logger: structlog.typing.WrappedLogger) -> Listener:
    def write(event: Event) -> None:
        progress = {} if event.done is None else {"done": event.done, "total": event.total}
        fields = {f"{name}_" if name == "event" else name: value for name, value in event.fields.items()}
        logger.info(event.name, **fields, **progress)

    return write


def _end_a_broken_line(path: Path) -> None:
    """A kill can cut the last line; what follows must start on a line of its own."""
    if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
        with path.open("a") as file:
            file.write("\n")
