"""How long jobs take: many jobs in turn, in an order that is drawn anew each round, so that drifts hit all alike.

On a CPU the process's own time on one thread counts, which other programs hardly touch. On CUDA a job is captured
into a graph and replayed between events, so that launches cost what they cost in an engine.
"""

from __future__ import annotations

import random
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

Key = TypeVar("Key", bound=Hashable)
FEWEST_ROUNDS, MOST_ROUNDS = 5, 200


def nothing() -> None:
    """Of a job that leaves nothing behind."""


@dataclass(frozen=True)
class Job:
    """`run` does the same thing `calls` times on different memory; `reset` clears up after it and is not timed."""

    run: Callable[[], object]
    calls: int = 1
    reset: Callable[[], object] = nothing


class Timer(ABC):
    """Milliseconds of a call, for each of several jobs: the median over rounds."""

    device = "cpu"

    def measure(self, jobs: Mapping[Key, Job], seconds: float, seed: int = 0) -> dict[Key, float]:
        """At least five rounds, and more while there is time; a job's first run does not count."""
        with self.prepared():
            ready = {key: self.ready(job) for key, job in jobs.items()}
            times: dict[Key, list[float]] = {key: [] for key in jobs}
            for order in self._rounds(list(jobs), seconds, seed):
                for key in order:
                    times[key].append(ready[key]() / jobs[key].calls)
                    jobs[key].reset()
        return {key: statistics.median(measured) for key, measured in times.items()}

    def _rounds(self, keys: list[Key], seconds: float, seed: int) -> Iterator[list[Key]]:
        draw, start = random.Random(seed), time.monotonic()
        for count in range(MOST_ROUNDS):
            if count >= FEWEST_ROUNDS and time.monotonic() - start > seconds:
                return
            yield draw.sample(keys, len(keys))

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """What must hold while it measures."""
        yield

    @abstractmethod
    def ready(self, job: Job) -> Callable[[], float]:
        """Warms a job up and returns what runs it once and says how many milliseconds that took."""


class CPUTimer(Timer):
    """CPU time of this process on one thread."""

    @contextmanager
    def prepared(self) -> Iterator[None]:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(threads)

    def ready(self, job: Job) -> Callable[[], float]:
        job.run()
        job.reset()

        def timed() -> float:
            start = time.process_time_ns()
            job.run()
            return (time.process_time_ns() - start) / 1e6

        return timed


class CUDATimer(Timer):
    """Replays of a CUDA graph between two events; a job that cannot be captured (a growing cache) runs as it is."""

    def __init__(self, device: str = "cuda") -> None:
        self.device = device

    @contextmanager
    def prepared(self) -> Iterator[None]:
        import torch

        with torch.cuda.device(self.device), torch.inference_mode():
            yield

    def ready(self, job: Job) -> Callable[[], float]:
        import torch

        replay = self._captured(job) if job.reset is nothing else job.run
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

        def timed() -> float:
            begin.record()
            replay()
            end.record()
            end.synchronize()
            return float(begin.elapsed_time(end))

        return timed

    def _captured(self, job: Job) -> Callable[[], object]:
        import torch

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                job.run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            job.run()
        return graph.replay


def timer_of(device: str) -> Timer:
    """For `cpu`, `cuda` or `cuda:1`."""
    return CPUTimer() if device == "cpu" else CUDATimer(device)


def dtype_of(device: str) -> torch.dtype:
    """What models are measured in: float32 on a CPU, bfloat16 on CUDA."""
    import torch

    return torch.float32 if device == "cpu" else torch.bfloat16
