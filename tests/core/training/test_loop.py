from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from blockwright.child.checkpoint import open_child
from blockwright.events import Event, listening
from blockwright.files import sha256_of
from blockwright.models.divergence import Reference
from blockwright.models.evaluation import evaluate
from blockwright.parent import Parent
from blockwright.training.job import TrainingJob, run_job
from blockwright.training.processes import one_process
from blockwright.training.records import EVALUATIONS, LOSSES, Record, Row

MakeJob = Callable[..., TrainingJob]
DRIVER = Path(__file__).with_name("killed_job.py")


def losses(job: TrainingJob) -> list[Row]:
    """Without the speed, which is another every time."""
    rows = Record(job.directory / "losses.csv", LOSSES).rows()
    return [{name: value for name, value in row.items() if name != "tokens_per_s"} for row in rows]


def results(job: TrainingJob) -> tuple[list[Row], list[Row], str]:
    """Losses, evaluations and the child's bytes."""
    outcome = run_job(job, one_process())
    assert outcome.child is not None
    evaluations = Record(job.directory / "evaluations.csv", EVALUATIONS).rows()
    return losses(job), evaluations, sha256_of(outcome.child / "model.safetensors")


@contextmanager
def interrupted_at(name: str, step: int) -> Iterator[None]:
    def interrupt(event: Event) -> None:
        if event.name == name and event.fields["step"] == step:
            raise KeyboardInterrupt

    with listening(interrupt), pytest.raises(KeyboardInterrupt):
        yield


@pytest.fixture(scope="module")
def uninterrupted(make_job: MakeJob) -> TrainingJob:
    job = make_job()
    run_job(job, one_process())
    return job


def test_the_best_child_is_written_and_is_what_the_judge_says(
    uninterrupted: TrainingJob, parent: Parent, tokens: dict[str, torch.Tensor]
) -> None:
    outcome = run_job(uninterrupted, one_process())
    assert outcome.child is not None
    before, after = (
        Reference(parent.stack(), tokens["heldback"]).divergence(open_child(folder))
        for folder in (uninterrupted.child, outcome.child)
    )
    assert outcome.kl_before == pytest.approx(before, rel=1e-4)
    assert outcome.kl_after == pytest.approx(after, rel=1e-4)
    assert after < 0.85 * before
    evaluated = evaluate(parent.stack(), open_child(outcome.child), tokens["heldback"])
    assert outcome.top1_after == pytest.approx(evaluated.top1_agreement, abs=0.02)
    given = (uninterrupted.child / "config.json").read_text()
    assert (outcome.child / "config.json").read_text() == given


def test_a_killed_training_goes_on_to_the_same_curve_and_bytes(make_job: MakeJob, uninterrupted: TrainingJob) -> None:
    job = make_job()
    command = [sys.executable, str(DRIVER), str(job.write()), "step_trained", "7"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert [row["step"] for row in losses(job)] == [1, 2, 3, 4, 5, 6, 7]
    started: list[Event] = []
    with listening(started.append):
        assert results(job) == results(uninterrupted)
    assert [event.fields["from_step"] for event in started if event.name == "training_started"] == [6]


@pytest.mark.parametrize(("event", "step"), [("step_trained", 1), ("child_judged", 4), ("checkpoint_saved", 8)])
def test_a_training_goes_on_from_wherever_it_was_interrupted(
    make_job: MakeJob, uninterrupted: TrainingJob, event: str, step: int
) -> None:
    job = make_job()
    with interrupted_at(event, step):
        run_job(job, one_process())
    assert results(job) == results(uninterrupted)


def test_a_finished_training_is_not_run_again(uninterrupted: TrainingJob) -> None:
    told: list[Event] = []
    with listening(told.append):
        run_job(uninterrupted, one_process())
    assert told == []


@pytest.mark.parametrize("changed", [{"accumulate": 4}, {"gradient_checkpointing": True}], ids=str)
def test_saving_memory_changes_no_losses(
    make_job: MakeJob, uninterrupted: TrainingJob, changed: dict[str, object]
) -> None:
    job = make_job(**changed)
    run_job(job, one_process())
    for ours, theirs in zip(losses(job), losses(uninterrupted), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


def test_bf16_keeps_its_master_weights_in_float32(make_job: MakeJob, uninterrupted: TrainingJob) -> None:
    job = make_job(precision="bf16")
    run_job(job, one_process())
    bf16, exact = ([row["loss"] for row in losses(each)] for each in (job, uninterrupted))
    assert bf16 != exact
    assert bf16 == pytest.approx(exact, rel=0.02)
    child = open_child(job.directory / "child-00000008")
    name = "model.layers.0.mlp.down_proj.weight"
    assert child.source.read(name).dtype == torch.float32
    assert not torch.equal(child.source.read(name), child.source.read(name).bfloat16().float())


def test_a_training_that_runs_away_is_stopped_and_keeps_its_last_good_state(make_job: MakeJob) -> None:
    job = make_job(learning_rate=1.0, warmup=0.9, spike={"factor": 1.5, "steps": 2, "window": 2}, keep=9)
    outcome = run_job(job, one_process())
    assert outcome.stopped is not None
    assert "above 1.5 × its median" in outcome.stopped
    assert outcome.steps < 8
    latest = max(int(place.name.partition("-")[2]) for place in (job.directory / "checkpoints").glob("step-*"))
    assert latest < outcome.steps - 1
    assert outcome.kl_after <= outcome.kl_before


def test_a_loss_that_is_no_number_stops_a_training_and_leaves_the_given_child(make_job: MakeJob) -> None:
    outcome = run_job(make_job(learning_rate=1e30), one_process())
    assert outcome.stopped == "stopped at step 2: the loss is nan"
    assert outcome.child is None
    assert outcome.kl_after == outcome.kl_before


def test_the_last_so_many_checkpoints_are_kept(make_job: MakeJob) -> None:
    job = make_job(keep=2)
    run_job(job, one_process())
    kept = sorted(place.name for place in (job.directory / "checkpoints").glob("step-*"))
    assert kept == ["step-00000006", "step-00000008"]


def test_an_interrupt_while_a_checkpoint_is_saved_stays_an_interrupt(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch wraps whatever is raised there."""
    from torch.distributed.checkpoint import FileSystemWriter

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    job = make_job()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(FileSystemWriter, "write_data", interrupted)
        run_job(job, one_process())
    assert run_job(job, one_process()).stopped is None
