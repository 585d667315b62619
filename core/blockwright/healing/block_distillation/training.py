"""Trains all replacements of a sub-block at once: one pass over the parent's activations serves them all."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from blockwright.events import emit
from blockwright.healing.block_distillation.checkpoints import read_checkpoint, write_checkpoint
from blockwright.healing.block_distillation.lessons import Batches, Examples, Lesson, Measure, Student, trainable
from blockwright.healing.block_distillation.settings import BlockDistillSettings
from blockwright.models.devices import best_device
from blockwright.training.schedule import cosine

PLAIN = Measure()


@dataclass(frozen=True)
class Losses:
    """On all held-back tokens: Σ eᵀ M e, M the judge's, and the paper's MSE(o_parent, o_child) / MSE(o_parent, 0)."""

    judged: float
    plain: float


@dataclass(frozen=True)
class Outcome:
    """One replacement before and after; `weights` by name inside the layer, empty where training did not pay."""

    before: Losses
    after: Losses
    step: int
    weights: Mapping[str, Tensor]

    @property
    def share_left(self) -> float:
        """Of the judge's loss."""
        return self.after.judged / self.before.judged if self.before.judged > 0 else 1.0


class Pupil:
    """A student at work: its optimiser, and its best weights so far."""

    def __init__(self, student: Student, settings: BlockDistillSettings) -> None:
        self.student, self.settings = student, settings
        self.weights = trainable(student.layer, student.trained)
        groups = [{"params": [one], "unit": max(_root_mean_square(one), 1e-6)} for one in self.weights.values()]
        self.optimiser = torch.optim.Adam(groups, betas=(0.9, 0.95), fused=True)
        self.before = self.after = Losses(math.inf, math.inf)
        self.best: dict[str, Tensor] = {}
        self.best_step = self.without_gain = 0

    @property
    def goes_on(self) -> bool:
        return self.without_gain < self.settings.patience

    def learn(self, rate: float, batch: tuple[Tensor, Tensor], lesson: Lesson, scale: float) -> None:
        """One step; the gradient at the output is written down, and autograd does the rest."""
        stream, wanted = batch
        added = self.student.added(stream, lesson.arguments)
        error = added.detach().float() - wanted
        added.backward((2 / scale * lesson.training.seen(error)).to(added.dtype))
        nn.utils.clip_grad_norm_(self.weights.values(), self.settings.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["unit"]
        self.optimiser.step()
        self.optimiser.zero_grad()

    def note(self, step: int, losses: Losses) -> None:
        """Keeps the weights if they are the best so far; those of step 0 are the ones it came with."""
        if step == 0:
            self.before = self.after = losses
        elif losses.judged < self.after.judged:
            self.after, self.best_step, self.without_gain = losses, step, 0
            self.best = {name: weight.detach().clone() for name, weight in self.weights.items()}
        else:
            self.without_gain += 1

    def outcome(self) -> Outcome:
        return Outcome(self.before, self.after, self.best_step, {name: one.cpu() for name, one in self.best.items()})


class Training:
    """Trains a lesson's students from `checkpoint` on, if a killed run has left one there."""

    def __init__(self, lesson: Lesson, settings: BlockDistillSettings, seed: int, checkpoint: Path) -> None:
        self.device = best_device()
        self.lesson, self.settings, self.checkpoint = lesson.on(self.device), settings, checkpoint
        self.pupils = {label: Pupil(student, settings) for label, student in self.lesson.students.items()}
        self._told = _told(lesson, settings, seed)
        self.batches = Batches(lesson, settings.batch_tokens, seed)
        self.steps = math.ceil(settings.tokens / self.batches.tokens_per_step)
        tokens = lesson.calibration.stream[..., 0].numel()
        self._scale = self.batches.tokens_per_step * self._total(lesson.calibration, self.lesson.training) / tokens
        self._nothing = self._total(lesson.heldback, PLAIN)
        self.tokens_per_s = 0.0

    def run(self) -> dict[str, Outcome]:
        """Every student's outcome; none is worse on held-back text than it was."""
        first = read_checkpoint(self.checkpoint, self.pupils, self._told)
        if first == 0:
            self._look(0)
        start = time.perf_counter()
        for step in range(first, self.steps):
            if not self._live():
                break
            self._step(step)
            self.tokens_per_s = (step + 1 - first) * self.batches.tokens_per_step / (time.perf_counter() - start)
        return {label: pupil.outcome() for label, pupil in self.pupils.items()}

    def _step(self, step: int) -> None:
        rate, done = self.rate(step), step + 1
        batch = self._brought(self.batches(step))
        for pupil in self._live():
            pupil.learn(rate, batch, self.lesson, self._scale)
        if done % self.settings.evaluate_every == 0 or done == self.steps:
            self._look(done)
        if done % self.settings.checkpoint_every == 0 and done < self.steps:
            write_checkpoint(self.checkpoint, self.pupils, done, self._told)
            emit("block_distill_checkpointed", sub_block=self.lesson.name, step=done)

    def rate(self, step: int) -> float:
        """Up from almost nothing over the warmup, then down a cosine to nothing."""
        warmup = max(1, round(self.settings.warmup * self.steps))
        falling = cosine(step + 1 - warmup, self.steps + 1 - warmup)
        shape = (step + 1) / warmup if step < warmup else falling
        return self.settings.learning_rate * shape

    def _live(self) -> list[Pupil]:
        return [pupil for pupil in self.pupils.values() if pupil.goes_on]

    def _look(self, step: int) -> None:
        for pupil in self._live():
            pupil.note(step, self._losses(pupil.student))

    def _losses(self, student: Student) -> Losses:
        """On all held-back text."""
        judged = plain = 0.0
        with torch.no_grad():
            for stream, wanted in map(self._brought, self.lesson.heldback.parts()):
                error = student.added(stream, self.lesson.arguments) - wanted
                judged += self.lesson.judge.loss(error)
                plain += PLAIN.loss(error)
        return Losses(judged, plain / self._nothing)

    def _total(self, examples: Examples, measure: Measure) -> float:
        """The loss of adding nothing; never 0, so that shares of it can be told."""
        parts = map(self._brought, examples.parts())
        return max(sum(measure.loss(wanted) for _, wanted in parts), 1e-30)

    def _brought(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return pair[0].to(self.device), pair[1].to(self.device)


def _told(lesson: Lesson, settings: BlockDistillSettings, seed: int) -> str:
    """What makes a training this one, in words."""
    trained = {label: student.trained for label, student in lesson.students.items()}
    return f"{lesson.name}, seed {seed}, {settings!r}, {tuple(lesson.calibration.stream.shape)}, {trained}"


def _root_mean_square(tensor: Tensor) -> float:
    return float(tensor.detach().square().mean().sqrt())
