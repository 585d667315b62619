"""Executors that need nothing but Python keep the contract; a worker that is killed ends the work with its error."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool

import pytest

from blockwright.contracts.executors import EXECUTOR_CONTRACT
from blockwright.executors import Executor, InProcess, done_by
from blockwright_plugins.executors.processes import Processes, ProcessesOptions

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "in-process": InProcess,
    "processes": lambda: Processes(ProcessesOptions(workers=1)),
}


@pytest.mark.parametrize("rule", EXECUTOR_CONTRACT, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", EXECUTORS)
def test_it_keeps_the_contract(rule: Callable[[Executor], None], name: str) -> None:
    rule(EXECUTORS[name]())


def test_tasks_are_drawn_as_there_is_room_for_them() -> None:
    drawn: list[int] = []

    def tasks() -> object:
        for number in range(6):
            drawn.append(number)
            yield number

    for task, result in done_by(InProcess(), str, tasks()):  # type: ignore[arg-type]
        assert (result, drawn) == (str(task), list(range(int(task) + 1)))


def test_a_killed_process_is_told_and_the_next_call_starts_anew() -> None:
    import os

    executor = Processes(ProcessesOptions(workers=1))
    with pytest.raises(BrokenProcessPool):
        list(done_by(executor, os._exit, [1]))
    executor.close()
    assert [result for _, result in done_by(executor, abs, [-1])] == [1]
    executor.close()
