"""Events: what the engine tells whoever listens; it never prints and draws no bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """A past-tense word with fields (`layer_built`, layer=3); `done` of `total` where there is progress to show."""

    name: str
    fields: dict[str, object] = field(default_factory=dict)
    done: int | None = None
    total: int | None = None


Listener = Callable[[Event], None]
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


def emit(name: str, done: int | None = None, total: int | None = None, **fields: object) -> None:
    """Tells all listeners of this context."""
    event = Event(name, fields, done, total)
    for listener in _listeners.get():
        listener(event)


@contextmanager
def collected() -> Iterator[list[Event]]:
    """The events of a with-block, kept from all listeners: they are told where a task's result is wanted."""
    events: list[Event] = []
    token = _listeners.set((events.append,))
    try:
        yield events
    finally:
        _listeners.reset(token)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Adds a listener for the length of a with-block."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)
