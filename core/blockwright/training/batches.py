"""From packed sequences to batches: positions that start again with each document, and next tokens as labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from blockwright.errors import UserError
from blockwright.healing.fused_divergence import IGNORED
from blockwright.training.processes import Processes
from blockwright.training.settings import TrainingSettings


class Sequences(Protocol):
    """Token sequences of one length, each (tokens, documents), int64 (seq,): `documents` numbers those inside it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class Batch:
    """tokens, labels: (sequences, seq); `positions` alike, None where each sequence is a single document.

    Positions that start again are what keeps documents apart: the model's masks are made from them, block-diagonal
    and causal. Without them attention is plainly causal, which has the fastest kernels.
    """

    tokens: Tensor
    labels: Tensor
    positions: Tensor | None


def make_batch(tokens: Tensor, documents: Tensor) -> Batch:
    """Both (sequences, seq)."""
    first = torch.ones_like(documents[:, :1], dtype=torch.bool)
    starts = torch.cat([first, documents[:, 1:] != documents[:, :-1]], dim=1)
    labels = torch.full_like(tokens, IGNORED)
    labels[:, :-1] = torch.where(starts[:, 1:], IGNORED, tokens[:, 1:])
    if not starts[:, 1:].any():
        return Batch(tokens, labels, None)
    place = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
    started_at = torch.where(starts, place, 0).cummax(dim=1).values
    return Batch(tokens, labels, place - started_at)


class Feed:
    """Which sequences each step takes, and this process's part of them: a function of the step alone.

    The first epoch keeps the data's order, later ones have orders of their own. A step's sequences are the same
    however many processes there are and in however many parts they take them.
    """

    def __init__(self, data: Sequences, settings: TrainingSettings, processes: Processes, seed: int) -> None:
        self.data, self.settings, self.processes, self.seed = data, settings, processes, seed
        self.steps = settings.epochs * len(data) // settings.batch_size
        self.sequences_at_once = max(settings.batch_size // (settings.accumulate * processes.world), 1)
        self._shuffled: tuple[int, list[int]] = (0, [])
        self._refuse_what_does_not_fit()

    @property
    def sequence_length(self) -> int:
        return len(self.data[0][0])

    @property
    def tokens_per_step(self) -> int:
        return self.settings.batch_size * self.sequence_length

    def batches(self, step: int) -> Iterator[Batch]:
        """This process's micro-batches of step 1 … `steps`."""
        size, parts = self.settings.batch_size, self.settings.accumulate * self.processes.world
        each = self.sequences_at_once
        for part in range(self.processes.rank, parts, self.processes.world):
            start = (step - 1) * size + part * each
            rows = [self.data[self._sequence(position)] for position in range(start, start + each)]
            tokens, documents = (torch.stack(column).to(self.processes.device) for column in zip(*rows, strict=True))
            yield make_batch(tokens, documents)

    def _sequence(self, position: int) -> int:
        epoch, place = divmod(position, len(self.data))
        if epoch == 0:
            return place
        return self._order(epoch)[place]

    def _order(self, epoch: int) -> list[int]:
        if self._shuffled[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed + epoch)
            self._shuffled = epoch, torch.randperm(len(self.data), generator=generator).tolist()
        return self._shuffled[1]

    def _refuse_what_does_not_fit(self) -> None:
        size, parts = self.settings.batch_size, self.settings.accumulate * self.processes.world
        if size % parts:
            raise UserError(
                f"stages: batch_size {size} cannot be shared out over {self.processes.world} process(es) and "
                f"accumulate {self.settings.accumulate}; give a multiple of {parts}"
            )
        if self.steps == 0:
            raise UserError(
                f"stages: the data has {self.settings.epochs * len(self.data)} sequences, "
                f"less than one batch of {size}; raise the tokens of the data or lower batch_size"
            )
