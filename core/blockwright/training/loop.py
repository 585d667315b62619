"""The training loop: steps, judgements and checkpoints, from wherever a killed run stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from blockwright.events import emit
from blockwright.training.batches import Feed
from blockwright.training.best import BestChild
from blockwright.training.checkpoints import Checkpoints
from blockwright.training.judging import Judge, Judgement
from blockwright.training.outcome import Outcome
from blockwright.training.records import EVALUATIONS, LOSSES, Record
from blockwright.training.schedule import learning_rate
from blockwright.training.spikes import SpikeWatch
from blockwright.training.trainer import StepFigures, Trainer


@dataclass(frozen=True)
class Rates:
    """What a token costs in model operations, and what all devices together could do at most in a second."""

    operations_per_token: float
    peak_per_second: float

    def utilisation(self, tokens_per_s: float) -> float:
        return tokens_per_s * self.operations_per_token / self.peak_per_second


@dataclass(frozen=True)
class Parts:
    """What a training is made of."""

    trainer: Trainer
    feed: Feed
    judge: Judge
    checkpoints: Checkpoints
    best: BestChild
    rates: Rates


class Training:
    """Runs the steps that are left; writes `losses.csv` and `evaluations.csv` beside the checkpoints."""

    def __init__(self, parts: Parts, folder: Path, seed: int) -> None:
        self.parts, self.seed = parts, seed
        self.settings, self.processes = parts.trainer.settings, parts.trainer.processes
        self.losses = Record(folder / "losses.csv", LOSSES)
        self.evaluations = Record(folder / "evaluations.csv", EVALUATIONS)

    def run(self) -> str | None:
        """Why it stopped before its time, or None."""
        last, watch = self._resume()
        before = self._before(last)
        self.parts.trainer.student.train()
        for step in range(last + 1, self.parts.feed.steps + 1):
            stopped = self._step(step, watch)
            if stopped:
                emit("training_stopped", step=step, reason=stopped)
                self._offer(step, before)
                return f"stopped at step {step}: {stopped}"
            self._after_step(step, before, may_keep=not watch.suspicious)
        return None

    def outcome(self, stopped: str | None) -> Outcome:
        """What the files say of a training that has run."""
        first, best = self.evaluations.rows()[0], self.parts.best.record()
        after = best or first
        done = int(self.losses.rows()[-1]["step"])
        return Outcome(
            child=self.parts.best.child(),
            steps=done,
            best_step=int(after["step"]),
            tokens=done * self.parts.feed.tokens_per_step,
            kl_before=first["kl"],
            kl_after=after["kl"],
            top1_before=first["top1"],
            top1_after=after["top1"],
            stopped=stopped,
        )

    def _resume(self) -> tuple[int, SpikeWatch]:
        """Loads the latest checkpoint and drops the rows beyond it."""
        trainer = self.parts.trainer
        last = self.parts.checkpoints.load(trainer.student.model, trainer.optimizer)
        if self.processes.is_first:
            self.losses.cut_back(last)
            self.evaluations.cut_back(last if last else -1)
        self.processes.wait_for_all()
        emit("training_started", steps=self.parts.feed.steps, from_step=last)
        return last, SpikeWatch(self.settings.spike, (row["loss"] for row in self.losses.rows()))

    def _before(self, last: int) -> Judgement:
        """Of the child that was given; read back where the run goes on."""
        if last:
            first = self.evaluations.rows()[0]
            return Judgement(first["kl"], first["top1"])
        return self._judge(0)

    def _step(self, step: int, watch: SpikeWatch) -> str | None:
        torch.manual_seed((self.seed * 1_000_003 + step) * 4096 + self.processes.rank)  # dropout, where there is some
        rate = learning_rate(self.settings, step, self.parts.feed.steps)
        figures = self.parts.trainer.step(list(self.parts.feed.batches(step)), rate)
        self._record(step, figures, rate)
        return watch.see(figures.loss if figures.grad_norm < float("inf") else float("nan"))

    def _record(self, step: int, figures: StepFigures, rate: float) -> None:
        tokens = self.parts.feed.tokens_per_step
        speed = tokens / figures.seconds
        row = {name: value for name, value in asdict(figures).items() if name != "seconds"}
        row |= {"learning_rate": rate, "tokens_per_s": speed}
        if self.processes.is_first:
            self.losses.add({"step": step, "tokens": step * tokens, **row})
        use = self.parts.rates.utilisation(speed)
        emit("step_trained", done=step, total=self.parts.feed.steps, step=step, **row, flop_utilisation=use)

    def _after_step(self, step: int, before: Judgement, may_keep: bool) -> None:
        """Judges and saves where it is time to, and at the end; what looks like a spike is not saved."""
        settings, trainer, is_last = self.settings, self.parts.trainer, step == self.parts.feed.steps
        if is_last or step % settings.evaluate_every == 0:
            self._offer(step, before)
        if may_keep and (is_last or step % settings.checkpoint_every == 0):
            if self.processes.is_first:
                self.losses.seal()
                self.evaluations.seal()
            self.parts.checkpoints.save(step, trainer.student.model, trainer.optimizer)
            emit("checkpoint_saved", step=step)

    def _offer(self, step: int, before: Judgement) -> None:
        self.parts.best.offer(step, self._judge(step), before, self.parts.trainer.student.model)

    def _judge(self, step: int) -> Judgement:
        judgement = self.parts.judge.judge(self.parts.trainer.student)
        if self.processes.is_first:
            self.evaluations.add({"step": step, **asdict(judgement)})
        emit("child_judged", step=step, **asdict(judgement))
        return judgement
