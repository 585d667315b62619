"""TensorBoard as an observer of runs, read back with TensorBoard's own reader."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blockwright.events import Event, emit, listening
from blockwright.plugins import Plugins

pytest.importorskip("tensorboard")


@contextmanager
def tracked(directory: Path) -> Iterator[None]:
    """A run as the pipeline tells it."""
    with Plugins.load().observing():
        emit("run_started", pid=1, directory=str(directory))
        yield
        emit("run_finished", directory=str(directory))


@contextmanager
def step(name: str) -> Iterator[None]:
    emit("step_started", step=name)
    yield
    emit("step_finished", step=name, seconds=1.5)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {
        tag: [(point.step, pytest.approx(point.value)) for point in read.Scalars(tag)] for tag in read.Tags()["scalars"]
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKWRIGHT_TRACKERS", "other, tensorboard")


@pytest.mark.usefixtures("asked")
def test_numbers_of_training_steps_are_scalars_of_their_step(tmp_path: Path) -> None:
    with tracked(tmp_path), step("06-distill"):
        for number in (1, 2):
            emit(
                "step_trained",
                done=number,
                total=2,
                step=number,
                loss=0.5 / number,
                tokens=number * 8,
                note="x",
                ok=True,
            )
        emit("child_judged", step=2, kl=0.25)
    assert scalars(tmp_path / "tensorboard" / "06-distill") == {
        "step_trained/loss": [(1, 0.5), (2, 0.25)],
        "step_trained/tokens": [(1, 8.0), (2, 16.0)],
        "child_judged/kl": [(2, 0.25)],
        "step_finished/seconds": [(1, 1.5)],
    }


@pytest.mark.usefixtures("asked")
def test_figures_without_a_step_are_numbered_as_they_come(tmp_path: Path) -> None:
    with tracked(tmp_path), step("07-evaluation"):
        emit("child_evaluated", child="built", kl_nats_per_token=0.5)
        emit("child_evaluated", child="final", kl_nats_per_token=0.25)
        emit("layer_built", done=1, total=2, layer=1)
    found = scalars(tmp_path / "tensorboard" / "07-evaluation")
    assert found["child_evaluated/kl_nats_per_token"] == [(1, 0.5), (2, 0.25)]
    assert not [tag for tag in found if tag.startswith("layer_built")]


@pytest.mark.usefixtures("asked")
def test_what_a_killed_run_wrote_beyond_its_checkpoint_is_hidden(tmp_path: Path) -> None:
    for first in (1, 3):
        with tracked(tmp_path), step("06-distill"):
            emit("training_started", steps=5, from_step=first - 1)
            for number in range(first, 6):
                emit("step_trained", step=number, loss=first + number / 10)
    assert scalars(tmp_path / "tensorboard" / "06-distill")["step_trained/loss"] == [
        (1, 1.1), (2, 1.2), (3, 3.3), (4, 3.4), (5, 3.5),
    ]  # fmt: skip


@pytest.mark.usefixtures("asked")
def test_the_next_run_of_a_process_writes_to_its_own_folder(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with tracked(tmp_path / name), step("06-distill"):
            emit("step_trained", step=1, loss=0.5)
    assert all(scalars(tmp_path / name / "tensorboard" / "06-distill") for name in ("first", "second"))


def test_nothing_is_written_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOCKWRIGHT_TRACKERS", raising=False)
    with tracked(tmp_path), step("06-distill"):
        emit("step_trained", step=1, loss=0.5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("asked")
def test_a_missing_package_is_told_once_with_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    heard: list[Event] = []
    with listening(heard.append), tracked(tmp_path), step("06-distill"):
        emit("step_trained", step=1, loss=0.5)
    (failure,) = (event.fields for event in heard if event.name == "observer_failed")
    assert (
        failure["error"]
        == "BLOCKWRIGHT_TRACKERS=tensorboard needs a package; type `pip install 'blockwright[tensorboard]'`"
    )
    assert list(tmp_path.iterdir()) == []
