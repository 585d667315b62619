"""A distillation job put together: models opened and shared out, data, judge, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from blockwright.child.checkpoint import CheckpointSettings, open_child, stored_dtype
from blockwright.parent import Parent, open_parent
from blockwright.plugins import installed_plugins
from blockwright.text.corpus import Corpus
from blockwright.training.batches import Feed
from blockwright.training.best import BestChild
from blockwright.training.checkpoints import Checkpoints
from blockwright.training.distilling import Student, Teacher
from blockwright.training.job import TrainingJob
from blockwright.training.judging import Judge
from blockwright.training.loop import Parts, Rates, Training
from blockwright.training.models import empty_model, fill, recompute_activations
from blockwright.training.outcome import Outcome
from blockwright.training.processes import Processes, shard
from blockwright.training.speed import operations_per_token, peak_operations_per_second
from blockwright.training.trainer import Trainer

if TYPE_CHECKING:
    from blockwright.models.stack import LayerStack

HELDBACK = "heldback"  # the tensor in the file of held-back tokens, (sequences, seq)


@dataclass(frozen=True)
class Distillation:
    """A job on these processes."""

    job: TrainingJob
    processes: Processes

    def run(self) -> Outcome:
        """Trains from wherever it stopped, and writes what it came to."""
        training = self._training()
        stopped = training.run()
        outcome = training.outcome(stopped)
        if self.processes.is_first:
            outcome.write(self.job.directory)
        self.processes.wait_for_all()
        return outcome

    def _training(self) -> Training:
        job, processes, settings = self.job, self.processes, self.job.settings
        feed = Feed(Corpus(job.corpus), settings, processes, job.seed)
        parent, given = open_parent(job.parent, installed_plugins().families), open_child(job.child)
        student = self._student(given)
        teacher = self._teacher(parent, student)
        parts = Parts(
            Trainer(teacher, student, settings, processes),
            feed,
            Judge(teacher, load_file(job.heldback)[HELDBACK], processes, feed.sequences_at_once),
            Checkpoints(job.directory / "checkpoints", processes, settings.keep),
            BestChild(job.directory, parent, processes, CheckpointSettings(dtype=stored_dtype(job.child))),
            self._rates(teacher, student, feed),
        )
        return Training(parts, job.directory, job.seed)

    def _student(self, given: LayerStack) -> Student:
        """The child, its weights in float32."""
        model = empty_model(given.config)
        if self.job.settings.gradient_checkpointing:
            recompute_activations(model)
        settings = self.job.settings
        student = Student(model, settings.losses, settings.temperature, self._computed_in)
        shard(student, model.model.layers, self.processes, self._computed_in)
        fill(model, given.source, self.processes.device, torch.float32)
        return student

    def _teacher(self, parent: Parent, student: Student) -> Teacher:
        """The parent, its weights in what is computed in: nothing is ever added to them."""
        model = empty_model(parent.config)
        teacher = Teacher(model, student.pairs, self._computed_in)
        shard(teacher, model.model.layers, self.processes, None)
        fill(model, parent.source(), self.processes.device, self._computed_in or torch.float32)
        return teacher

    def _rates(self, teacher: Teacher, student: Student, feed: Feed) -> Rates:
        peak = peak_operations_per_second(self.processes.device) * self.processes.world
        return Rates(operations_per_token(teacher.model, student.model, feed.sequence_length), peak)

    @property
    def _computed_in(self) -> torch.dtype | None:
        """bfloat16, or None for the weights' own float32."""
        precision = self.job.settings.precision
        on_gpu = self.processes.device.type == "cuda"
        return torch.bfloat16 if precision == "bf16" or (precision == "auto" and on_gpu) else None
