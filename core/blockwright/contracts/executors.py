"""What every executor must do. A rule takes an executor and gives it small tasks; it closes it at the end."""

from __future__ import annotations

import os
from collections.abc import Callable

from blockwright.contracts.holding import must
from blockwright.errors import UserError
from blockwright.events import Event, emit, listening
from blockwright.executors import Executor, done_by

TASKS = tuple(range(5))


def executor_does_every_task_once(executor: Executor) -> None:
    """In any order, each with its own result; more of them than there are workers."""
    done = _all(executor, _squared)
    must(sorted(done) == [(task, task * task) for task in TASKS], executor.name, f"gave {sorted(done)} as squares")


def executor_raises_what_a_task_raises(executor: Executor) -> None:
    """A UserError stays one, with its lines, so that a mistake of the user is told as one."""
    try:
        _all(executor, _refused)
    except UserError as error:
        must(str(error) == "odd: 1", executor.name, f"told '{error}' of a task that said 'odd: 1'")
    else:
        must(False, executor.name, "raised nothing where a task had raised a UserError")


def executor_tells_the_events_of_tasks(executor: Executor) -> None:
    """To those who listen where the tasks come from."""
    heard: list[Event] = []
    with listening(heard.append):
        _all(executor, _told)
    numbers = sorted(str(event.fields["number"]) for event in heard if event.name == "task_tried")
    must(numbers == [str(task) for task in TASKS], executor.name, f"told the events of tasks {numbers}")


def executor_says_where_it_works(executor: Executor) -> None:
    """`apart` is whether tasks are done in another process than the one that sends them; and it has workers."""
    processes = {process for _, process in _all(executor, _process)}
    must(executor.workers >= 1, executor.name, f"has {executor.workers} workers")
    here = os.getpid() in processes
    must(here != executor.apart, executor.name, f"says apart = {executor.apart} and works in processes {processes}")


def executor_starts_anew_after_it_was_closed(executor: Executor) -> None:
    """Closing twice does no harm either."""
    _all(executor, _squared)
    executor.close()
    must(len(_all(executor, _squared)) == len(TASKS), executor.name, "did not do its tasks after it had been closed")


def _all(executor: Executor, function: Callable[[int], object]) -> list[tuple[int, object]]:
    try:
        return list(done_by(executor, function, TASKS))
    finally:
        executor.close()


def _squared(number: int) -> int:
    return number * number


def _refused(number: int) -> int:
    if number == 1:
        raise UserError("odd: 1")
    return number


def _told(number: int) -> None:
    emit("task_tried", number=number)


def _process(number: int) -> int:
    return os.getpid()


EXECUTOR_CONTRACT: tuple[Callable[[Executor], None], ...] = (
    executor_does_every_task_once,
    executor_raises_what_a_task_raises,
    executor_tells_the_events_of_tasks,
    executor_says_where_it_works,
    executor_starts_anew_after_it_was_closed,
)
"""All rules, to parametrize over."""
