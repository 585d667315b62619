"""Timers: the process's own time, many jobs in turn."""

from __future__ import annotations

import time

import torch

from blockwright.measuring.timers import FEWEST_ROUNDS, CPUTimer, Job


def spin(milliseconds: float) -> None:
    """Uses so much CPU time."""
    end = time.process_time_ns() + milliseconds * 1e6
    while time.process_time_ns() < end:
        pass


def test_a_job_takes_the_cpu_time_that_it_uses() -> None:
    times = CPUTimer().measure({"long": Job(lambda: spin(4)), "short": Job(lambda: spin(1))}, seconds=0)
    assert 4 <= times["long"] < 6
    assert 1 <= times["short"] < 2


def test_time_asleep_does_not_count() -> None:
    assert CPUTimer().measure({"asleep": Job(lambda: time.sleep(0.01))}, seconds=0)["asleep"] < 5


def test_the_time_is_that_of_one_call() -> None:
    assert 1 <= CPUTimer().measure({"three": Job(lambda: spin(3), calls=3)}, seconds=0)["three"] < 2


def test_what_a_job_left_is_cleared_after_every_run() -> None:
    left: list[int] = []
    lengths: list[int] = []

    def run() -> None:
        lengths.append(len(left))
        left.append(1)

    CPUTimer().measure({"job": Job(run, reset=left.clear)}, seconds=0)
    assert len(lengths) == FEWEST_ROUNDS + 1  # the first run warms up
    assert set(lengths) == {0}


def test_jobs_take_turns_in_an_order_that_the_seed_draws() -> None:
    def order(seed: int) -> list[str]:
        seen: list[str] = []
        CPUTimer().measure({name: Job(lambda name=name: seen.append(name)) for name in "abcdef"}, 0, seed)  # type: ignore[misc]
        return seen[6:]

    first = order(0)
    assert first == order(0) != order(1)
    assert all(sorted(first[at : at + 6]) == list("abcdef") for at in range(0, len(first), 6))
    assert first[:6] != first[6:12]


def test_it_measures_on_one_thread_and_gives_the_others_back() -> None:
    threads = torch.get_num_threads()
    seen: list[int] = []
    CPUTimer().measure({"job": Job(lambda: seen.append(torch.get_num_threads()))}, seconds=0)
    assert set(seen) == {1}
    assert torch.get_num_threads() == threads
