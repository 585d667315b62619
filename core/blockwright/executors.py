"""Where the tasks of a run are done: in its own process or in others; the contract for executors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from blockwright.events import Event, collected, emit

Task = TypeVar("Task")
Result = TypeVar("Result")


class ExecutorOptions(BaseModel):
    """Base of the recipe's `executor` section. They say where work is done, so no step is redone when they change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Executor(ABC):
    """Does tasks: a function at the top of a module, and one value that can be pickled.

    Tasks are alone: they read files and what they are given, and write files under names of their own, so that one
    that is done twice does no harm. Retries, placement and the rest are the matter of what does the work.
    """

    name: ClassVar[str]
    Options: ClassVar[type[ExecutorOptions]] = ExecutorOptions
    contract_options: ClassVar[Sequence[dict[str, object]]] = ({},)
    """Options that `blockwright plugins check` tries, each so small that they take seconds."""
    apart: ClassVar[bool] = True
    """False where tasks are done in the caller's process, to which nothing needs to be sent."""

    def __init__(self, options: ExecutorOptions) -> None:
        self.options = options

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many tasks are done at once; so many more are sent ahead, each with its files. At least 1."""

    @abstractmethod
    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Sends a task away; the first one starts the workers. What it raises is raised by the future's `result`."""

    @abstractmethod
    def close(self) -> None:
        """Lets the workers go, and forgets the tasks that wait; the next `submit` starts anew."""


class InProcess(Executor):
    """`in-process`: one task after the other, in the run's own process."""

    name = "in-process"
    apart = False

    def __init__(self, options: ExecutorOptions | None = None) -> None:
        super().__init__(options or ExecutorOptions())

    @property
    def workers(self) -> int:
        return 1

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(function(task))
        except Exception as error:  # the future raises it where its result is asked for
            future.set_exception(error)
        return future

    def close(self) -> None:
        """There is nothing to let go."""


HERE = InProcess()  # it holds nothing, so one serves all


def done_by(
    executor: Executor, function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[tuple[Task, Result]]:
    """Each task with its result, as they finish, whatever the order; their events are told here.

    Tasks are drawn as there is room for them: what makes them may write files, and few lie ready at any time.
    """
    waiting: dict[Future[tuple[Result, list[Event]]], Task] = {}
    for task in tasks:
        waiting[executor.submit(partial(_told, function), task)] = task
        yield from _finished(waiting, at_most=2 * executor.workers - 1)
    yield from _finished(waiting, at_most=0)


def _finished(waiting: dict[Future[tuple[Result, list[Event]]], Task], at_most: int) -> Iterator[tuple[Task, Result]]:
    """Waits until no more than so many are left; takes those that are done out of `waiting`."""
    while waiting:
        done, _ = wait(waiting, timeout=None if len(waiting) > at_most else 0, return_when=FIRST_COMPLETED)
        for future in done:
            result, events = future.result()
            for event in events:
                emit(event.name, event.done, event.total, **event.fields)
            yield waiting.pop(future), result
        if not done:
            return


def _told(function: Callable[[Task], Result], task: Task) -> tuple[Result, list[Event]]:
    """Also the events of the work, since workers have no listeners."""
    with collected() as events:
        return function(task), events
