"""Training all replacements of a sub-block at once, on tiny FFNs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from blockwright.events import Event, listening
from blockwright.healing.block_distillation.lessons import Batches, Lesson, Measure
from blockwright.healing.block_distillation.settings import BlockDistillSettings
from blockwright.healing.block_distillation.training import Outcome, Pupil, Training

MakeLesson = Callable[..., Lesson]


class Stopped(Exception):
    """In the place of a kill."""


def same(first: Outcome, second: Outcome) -> bool:
    weights = first.weights.keys() == second.weights.keys() and all(
        torch.equal(weight, second.weights[name]) for name, weight in first.weights.items()
    )
    return weights and (first.before, first.after, first.step) == (second.before, second.after, second.step)


def test_students_trained_at_once_become_what_they_become_alone(
    make_lesson: MakeLesson, settings: BlockDistillSettings, tmp_path: Path
) -> None:
    together = Training(make_lesson(12, 20), settings, 0, tmp_path / "together").run()
    for width in (12, 20):
        alone = Training(make_lesson(width), settings, 0, tmp_path / str(width)).run()[str(width)]
        assert alone.step > 0
        assert same(together[str(width)], alone)


def test_training_takes_much_of_the_loss_and_its_weights_are_those_of_the_loss_that_it_tells(
    make_lesson: MakeLesson, settings: BlockDistillSettings, tmp_path: Path
) -> None:
    lesson = make_lesson(20)
    outcome = Training(lesson, settings, 0, tmp_path / "checkpoint").run()["20"]
    assert outcome.share_left < 0.87
    student, wanted = make_lesson(20).students["20"], lesson.heldback.outputs
    for name, weight in outcome.weights.items():
        student.layer.get_parameter(name).copy_(weight)
    error = student.added(lesson.heldback.stream, {}) - wanted
    assert float(error.square().sum()) == pytest.approx(outcome.after.judged, rel=1e-4)
    assert float(error.square().sum() / wanted.square().sum()) == pytest.approx(outcome.after.plain, rel=1e-4)


def test_training_that_only_harms_leaves_no_weights(
    make_lesson: MakeLesson, settings: BlockDistillSettings, tmp_path: Path
) -> None:
    """The parent's own FFN, which has nothing to learn, and steps that are far too long."""
    changed = settings.model_copy(update={"learning_rate": 30.0})
    for width in (40, 12):
        outcome = Training(make_lesson(width), changed, 0, tmp_path / str(width)).run()[str(width)]
        assert outcome.after == outcome.before
        assert (outcome.step, outcome.weights) == (0, {})


def test_student_that_does_not_get_better_is_left_alone_while_the_others_go_on(
    make_lesson: MakeLesson, settings: BlockDistillSettings, tmp_path: Path
) -> None:
    training = Training(make_lesson(40, 12), settings.model_copy(update={"patience": 1}), 0, tmp_path / "checkpoint")
    outcomes = training.run()
    states = {label: next(iter(pupil.optimiser.state.values())) for label, pupil in training.pupils.items()}
    assert float(states["40"]["step"]) == 4  # the first look
    assert float(states["12"]["step"]) > 4
    assert outcomes["12"].step > 4


def test_gradient_is_that_of_the_loss(make_lesson: MakeLesson, settings: BlockDistillSettings, tmp_path: Path) -> None:
    moment = torch.randn(48, 48, generator=torch.Generator().manual_seed(0))
    lesson = make_lesson(12, training=Measure(moment @ moment.T))
    pupil = Pupil(lesson.students["12"], settings.model_copy(update={"clip": 1e9}))
    stream, wanted = batch = Batches(lesson, 64, 0)(0)
    error = pupil.student.added(stream, {}) - wanted
    loss = (error @ lesson.training.moment * error).sum() / 3.0
    expected = torch.autograd.grad(loss, list(pupil.weights.values()))
    found: list[Tensor] = []
    for weight in pupil.weights.values():
        weight.register_post_accumulate_grad_hook(lambda one: found.append(one.grad.clone()))
    pupil.learn(0.0, batch, lesson, scale=3.0)
    by_shape = {gradient.shape: gradient for gradient in found if gradient.shape == (48, 12)}
    assert torch.allclose(by_shape[expected[2].shape], expected[2], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("checkpoints", [1, 2])
def test_training_that_was_stopped_goes_on_from_its_checkpoint_to_the_same_outcome(
    make_lesson: MakeLesson, settings: BlockDistillSettings, tmp_path: Path, checkpoints: int
) -> None:
    whole = Training(make_lesson(12, 40), settings, 0, tmp_path / "whole").run()
    steps: list[object] = []

    def stop(event: Event) -> None:
        steps.append(event.fields["step"])
        if len(steps) == checkpoints:
            raise Stopped

    with pytest.raises(Stopped), listening(stop):
        Training(make_lesson(12, 40), settings, 0, tmp_path / "stopped").run()
    stopped_at = list(steps)
    with listening(lambda event: steps.append(event.fields["step"])):
        gone_on = Training(make_lesson(12, 40), settings, 0, tmp_path / "stopped").run()
    assert stopped_at == [5, 10][:checkpoints]
    assert steps == [5, 10, 15]
    assert all(same(gone_on[label], whole[label]) for label in whole)


def test_every_epoch_goes_through_all_tokens_in_an_order_of_its_own(make_lesson: MakeLesson) -> None:
    lesson = make_lesson(12)
    batches = Batches(lesson, 512, seed=0)
    tokens = lesson.calibration.stream.flatten(0, 1)
    epochs = [torch.cat([batches(epoch * 3 + step)[0][0] for step in range(3)]) for epoch in range(2)]
    assert len(epochs[0]) == len(tokens)
    for epoch in epochs:
        assert torch.equal(epoch.sum(dim=-1).sort().values, tokens.sum(dim=-1).sort().values)
    assert not torch.equal(*epochs)
    assert torch.equal(Batches(lesson, 512, seed=0)(1)[0], batches(1)[0])
    assert not torch.equal(Batches(lesson, 512, seed=1)(1)[0], batches(1)[0])


def test_what_looks_at_other_tokens_is_given_whole_sequences(make_lesson: MakeLesson) -> None:
    lesson = make_lesson(12)
    student = copy.copy(lesson.students["12"])
    object.__setattr__(student, "part", "layer")
    lesson.students["12"] = student  # type: ignore[index]
    stream, outputs = Batches(lesson, 128, 0)(0)
    assert stream.shape == outputs.shape == (4, 32, 48)


def test_rate_rises_and_falls(make_lesson: MakeLesson, settings: BlockDistillSettings, tmp_path: Path) -> None:
    training = Training(make_lesson(12), settings.model_copy(update={"warmup": 0.25}), 0, tmp_path / "checkpoint")
    rates = [training.rate(step) for step in range(training.steps)]
    assert rates[3] == max(rates) == settings.learning_rate
    assert rates[:4] == sorted(rates[:4]) and rates[4:] == sorted(rates[4:], reverse=True)
    assert 0 < rates[-1] < 0.02 * settings.learning_rate


def test_checkpoint_of_another_training_is_passed_over(
    make_lesson: MakeLesson, settings: BlockDistillSettings, tmp_path: Path
) -> None:
    other = settings.model_copy(update={"learning_rate": 0.01})
    Training(make_lesson(12), settings, 0, tmp_path / "checkpoint").run()
    assert (tmp_path / "checkpoint").exists()
    after_it = Training(make_lesson(12), other, 0, tmp_path / "checkpoint").run()["12"]
    assert same(after_it, Training(make_lesson(12), other, 0, tmp_path / "none").run()["12"])
