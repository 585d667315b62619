"""One step of training: micro-batches forward and backward, then the optimiser."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import AdamW

from blockwright.healing.fused_divergence import IGNORED
from blockwright.training.batches import Batch
from blockwright.training.distilling import StepSize, Student, Teacher, Terms, forward_of
from blockwright.training.processes import Processes
from blockwright.training.settings import TrainingSettings


@dataclass(frozen=True)
class StepFigures:
    """Of one step over all processes: the loss and its parts, the gradients' norm before clipping, and the time."""

    loss: float
    divergence: float
    hidden: float
    language_model: float
    grad_norm: float
    seconds: float


class Trainer:
    """A child with its optimiser; a step that gives no finite loss or gradients leaves both as they were."""

    def __init__(self, teacher: Teacher, student: Student, settings: TrainingSettings, processes: Processes) -> None:
        self.teacher, self.student, self.settings, self.processes = teacher, student, settings, processes
        matrices = [parameter for parameter in student.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in student.parameters() if parameter.ndim <= 1]
        self.optimizer = AdamW(
            [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            betas=settings.betas,
            fused=True,
        )

    def step(self, batches: Sequence[Batch], learning_rate: float) -> StepFigures:
        start = time.perf_counter()
        size = self._size(batches)
        sums = torch.zeros(len(Terms._fields), dtype=torch.float64, device=self.processes.device)
        for batch in batches:
            sums += torch.stack(self._backward(batch, size)).double()
        parts = Terms(*self.processes.sum(sums))
        norm = self._gradient_norm()
        loss = float(self.student.total(parts))
        if torch.isfinite(norm) and torch.isfinite(torch.tensor(loss)):
            self._update(learning_rate)
        self.optimizer.zero_grad()
        divergence, hidden, language_model = map(float, parts)
        return StepFigures(loss, divergence, hidden, language_model, float(norm), time.perf_counter() - start)

    def _backward(self, batch: Batch, size: StepSize) -> Terms:
        """Adds the batch's gradients; sharded ones are averaged over processes, so the loss is multiplied by those."""
        target = forward_of(self.teacher, batch)
        terms = self.student(batch, target, size)
        (self.student.total(terms) * self.processes.world).backward()
        return Terms(*(term.detach() for term in terms))

    def _size(self, batches: Sequence[Batch]) -> StepSize:
        tokens = sum(batch.tokens.numel() for batch in batches)
        labelled = sum(int((batch.labels != IGNORED).sum()) for batch in batches)
        counts = self.processes.sum(torch.tensor([tokens, labelled], device=self.processes.device))
        return StepSize(*counts.tolist())

    def _gradient_norm(self) -> Tensor:
        norm: Tensor = torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.settings.max_grad_norm)
        gather = getattr(norm, "full_tensor", None)
        return norm if gather is None else gather()

    def _update(self, learning_rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
