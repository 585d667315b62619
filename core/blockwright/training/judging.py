"""What a child in training is worth: plain KL(parent‖child) and agreement on tokens that it does not learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from blockwright.models.divergence import ROWS_AT_ONCE, kl_and_agreement
from blockwright.training.batches import Batch
from blockwright.training.distilling import Outputs, Student, Teacher, forward_of
from blockwright.training.processes import Processes, reshard


@dataclass(frozen=True)
class Judgement:
    """Means over all positions: nats per token, and the share where both find the same token most likely."""

    kl: float
    top1: float


class Judge:
    """The parent on held-back tokens (sequences, seq), run once; the sequences are shared out over the processes.

    Every process makes as many passes as the others, for sharded models are put together by all of them at once; one
    that has fewer sequences repeats some, which do not count.
    """

    def __init__(self, teacher: Teacher, tokens: Tensor, processes: Processes, at_once: int) -> None:
        self.processes, self.positions = processes, tokens.numel()
        self._batches = list(_batches(tokens, processes, at_once))
        self._targets = []
        for batch, _ in self._batches:
            outputs = forward_of(teacher, batch)
            self._weight = outputs.weight
            self._targets.append(outputs.hidden)

    def judge(self, student: Student) -> Judgement:
        """The same number on every process."""
        was_training = student.training
        student.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.processes.device)
        with torch.no_grad():
            for (batch, counted), target in zip(self._batches, self._targets, strict=True):
                ours = student(batch)
                assert isinstance(ours, Outputs)
                sums += _sums(target[:counted], self._weight, ours.hidden[:counted], ours.weight)
        student.train(was_training)
        reshard(student)
        kl, agreed = (self.processes.sum(sums) / self.positions).tolist()
        return Judgement(kl, agreed)


def _batches(tokens: Tensor, processes: Processes, at_once: int) -> Iterator[tuple[Batch, int]]:
    """Batches with the number of their first sequences that count."""
    own = range(processes.rank, len(tokens), processes.world)
    share = -(-len(tokens) // processes.world)
    for start in range(0, share, at_once):
        counted = [own[place] for place in range(start, min(start + at_once, len(own)))]
        filled = counted or [0]
        chosen = tokens[filled].to(processes.device)
        yield Batch(chosen, chosen, None), len(counted)


def _sums(parent: Tensor, parent_weight: Tensor, child: Tensor, child_weight: Tensor) -> Tensor:
    """Summed over all positions, in float32 with some rows at a time: KL, and equal top tokens."""
    sums = torch.zeros(2, dtype=torch.float64, device=child.device)
    parent_weight, child_weight = parent_weight.float(), child_weight.float()
    pairs = zip(parent.flatten(0, 1).split(ROWS_AT_ONCE), child.flatten(0, 1).split(ROWS_AT_ONCE), strict=True)
    with torch.autocast(child.device.type, enabled=False):
        for theirs, ours in pairs:
            p = functional.linear(theirs.float(), parent_weight).log_softmax(dim=-1)
            q = functional.linear(ours.float(), child_weight).log_softmax(dim=-1)
            sums += kl_and_agreement(p, q)
    return sums
