"""Two processes train as one does; real processes, started by torchrun."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from blockwright.child.checkpoint import open_child
from blockwright.events import Event, listening
from blockwright.training.job import TrainingJob, run_job
from blockwright.training.launching import launch
from blockwright.training.outcome import OUTCOME
from blockwright.training.processes import one_process
from blockwright.training.records import LOSSES, Record, Row

MakeJob = Callable[..., TrainingJob]
TWO = "torchrun --standalone --nproc-per-node 2"
COMPARED = ("loss", "divergence", "hidden", "grad_norm", "learning_rate")


def losses(job: TrainingJob) -> list[Row]:
    return Record(job.directory / "losses.csv", LOSSES).rows()


def on_two(job: TrainingJob) -> list[Event]:
    """Runs the job and returns its events, as they arrive here."""
    told: list[Event] = []
    with listening(told.append):
        launch(TWO, job.write(), job.directory / "launcher.log")
    return told


def gone_on_from(step: int, job: TrainingJob, other: TrainingJob) -> TrainingJob:
    """The other job with the files of the first as they were when its checkpoint of that step was the latest."""
    shutil.copytree(job.directory, other.directory, dirs_exist_ok=True)
    (other.directory / OUTCOME).unlink()
    (other.directory / "best.json").unlink()
    (other.directory / "checkpoints" / "latest.json").write_text(json.dumps({"step": step}))
    return other


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    return {"accumulate": 2, "keep": 9, "losses": {"language_model": 0.5}, "temperature": 2.0, "weight_decay": 0.1}


@pytest.fixture(scope="module")
def alone(make_job: MakeJob, settings: dict[str, object]) -> TrainingJob:
    job = make_job(**settings)
    run_job(job, one_process())
    return job


@pytest.fixture(scope="module")
def together(make_job: MakeJob, settings: dict[str, object]) -> tuple[TrainingJob, list[Event]]:
    job = make_job(**settings)
    return job, on_two(job)


def test_two_processes_have_the_losses_of_one(alone: TrainingJob, together: tuple[TrainingJob, list[Event]]) -> None:
    job, _ = together
    assert len(losses(job)) == len(losses(alone)) == 8
    for ours, theirs in zip(losses(job), losses(alone), strict=True):
        assert [ours[name] for name in COMPARED] == pytest.approx([theirs[name] for name in COMPARED], rel=1e-5)


def test_the_child_of_two_processes_is_that_of_one(
    alone: TrainingJob, together: tuple[TrainingJob, list[Event]]
) -> None:
    ours, theirs = (open_child(job.directory / "child-00000008") for job in (together[0], alone))
    assert set(ours.source.names()) == set(theirs.source.names())
    for name in ours.source.names():
        assert ours.read(name).sub(theirs.read(name)).abs().max() < 1e-5


def test_the_events_of_the_first_process_are_told_here(together: tuple[TrainingJob, list[Event]]) -> None:
    steps = [event for event in together[1] if event.name == "step_trained"]
    assert [event.done for event in steps] == list(range(1, 9))
    assert all(float(str(event.fields["flop_utilisation"])) > 0 for event in steps)


def test_a_checkpoint_of_two_processes_loads_on_one(
    make_job: MakeJob, settings: dict[str, object], together: tuple[TrainingJob, list[Event]]
) -> None:
    job = gone_on_from(4, together[0], make_job(**settings))
    run_job(job, one_process())
    for ours, theirs in zip(losses(job), losses(together[0]), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)


def test_a_checkpoint_of_one_process_loads_on_two(
    make_job: MakeJob, settings: dict[str, object], alone: TrainingJob
) -> None:
    job = gone_on_from(4, alone, make_job(**settings))
    told = on_two(job)
    assert [event.done for event in told if event.name == "step_trained"] == [5, 6, 7, 8]
    for ours, theirs in zip(losses(job), losses(alone), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
