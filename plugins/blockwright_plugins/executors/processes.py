"""`processes`: a pool of processes on this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor

from pydantic import PositiveInt

from blockwright.executors import Executor, ExecutorOptions, Result, Task
from blockwright_plugins.executors.threads import use_threads


class ProcessesOptions(ExecutorOptions):
    """`workers` processes, with so many `threads` each."""

    workers: PositiveInt = 2
    threads: PositiveInt = 1


class Processes(Executor):
    """Python's own pool; where one of its processes is killed the run ends, and the same command goes on."""

    name = "processes"
    Options = ProcessesOptions

    def __init__(self, options: ExecutorOptions) -> None:
        super().__init__(options)
        self._pool: ProcessPoolExecutor | None = None

    @property
    def workers(self) -> int:
        return self._options.workers

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        if self._pool is None:
            spawned = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, spawned, use_threads, (self._options.threads,))
        return self._pool.submit(function, task)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    @property
    def _options(self) -> ProcessesOptions:
        assert isinstance(self.options, ProcessesOptions)
        return self.options
