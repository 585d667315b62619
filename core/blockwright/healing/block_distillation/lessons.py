"""What is learnt in block distillation: the parent's outputs on recorded activations, and how errors are measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

import torch
from torch import Tensor, nn

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import FFN, DecoderLayer, LinearBlock
from blockwright.healing.block_distillation.devices import computing_on, moved
from blockwright.models.stack import SEQUENCES_AT_ONCE
from blockwright.variants import MODULE_NAMES, NORM_NAMES, SLOTS, Slot

Part = Literal["attention", "ffn", "layer"]
Arguments = Mapping[str, object]  # what attention needs beside the stream
ALIKE_ON_EVERY_TOKEN = (FFN, LinearBlock)  # modules whose tokens do not see each other


@dataclass(frozen=True)
class Examples:
    """Streams of the parent before a sub-block and what its own adds to them, each (sequences, seq, hidden)."""

    stream: Tensor
    outputs: Tensor

    def parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.stream.split(SEQUENCES_AT_ONCE), self.outputs.split(SEQUENCES_AT_ONCE), strict=True)


@dataclass(frozen=True)
class Student:
    """A layer with the replacement in it, and the names of the weights that are trained, inside the layer."""

    layer: DecoderLayer
    part: Part
    trained: tuple[str, ...]

    def added(self, stream: Tensor, arguments: Arguments) -> Tensor:
        """What it adds to the parent's stream (…, seq, hidden)."""
        with computing_on(stream.device):
            if self.part == "layer":
                after: Tensor = self.layer(stream, **arguments)
                return after - stream
            added = self.layer.feed(stream) if self.part == "ffn" else self.layer.attend(stream, **arguments)
            return torch.zeros_like(stream) if added is None else added

    @property
    def takes_tokens_apart(self) -> bool:
        """Whether tokens of different texts may stand in one batch side by side."""
        return self.part == "ffn" and isinstance(self.layer.mlp, ALIKE_ON_EVERY_TOKEN)


def student_layer(config: BlockwrightConfig, index: int, slot: Slot, state: Mapping[str, Tensor]) -> DecoderLayer:
    """Layer `index` with one of its sub-blocks only; `state` holds that one's weights and its norm's."""
    with torch.device("meta"):
        layer = DecoderLayer(config, index)
    for other in SLOTS:
        if other != slot:
            setattr(layer, MODULE_NAMES[other], None)
            setattr(layer, NORM_NAMES[other], None)
    layer.load_state_dict(dict(state), assign=True)
    return layer.eval().requires_grad_(False)


@dataclass(frozen=True, eq=False)
class Measure:
    """Squared errors (…, hidden), summed; through G = E[g gᵀ] (hidden, hidden) where it is given."""

    moment: Tensor | None = None

    def seen(self, error: Tensor) -> Tensor:
        """M e of every token: the loss is Σ eᵀ M e, its gradient 2 M e."""
        return error if self.moment is None else error @ self.moment

    def loss(self, error: Tensor) -> float:
        return float((error * self.seen(error)).double().sum())

    def on(self, device: torch.device) -> Measure:
        return self if self.moment is None else Measure(self.moment.to(device))


@dataclass(frozen=True)
class Lesson:
    """All replacements of one sub-block (by label) and what they learn from; `judge` decides on held-back text."""

    name: str
    students: Mapping[str, Student]
    calibration: Examples
    heldback: Examples
    arguments: Arguments
    training: Measure
    judge: Measure

    def on(self, device: torch.device) -> Lesson:
        """Students, arguments and moments there; the examples stay where they are and are brought in parts."""
        for student in self.students.values():
            student.layer.to(device)
        arguments = {key: moved(value, device) for key, value in self.arguments.items()}
        return replace(self, arguments=arguments, training=self.training.on(device), judge=self.judge.on(device))

    @property
    def tokens_apart(self) -> bool:
        """Whether a batch may be of tokens from here and there."""
        return all(student.takes_tokens_apart for student in self.students.values())


class Batches:
    """Batches of a lesson in an order that seed and step alone decide; each epoch has an order of its own."""

    def __init__(self, lesson: Lesson, tokens: int, seed: int) -> None:
        self._examples, self._draw = lesson.calibration, f"{seed}/{lesson.name}"
        stream = lesson.calibration.stream
        self._apart, (sequences, length) = lesson.tokens_apart, stream.shape[:2]
        self._units = sequences * length if self._apart else sequences
        self._at_once = min(self._units, tokens if self._apart else max(1, tokens // length))
        self.tokens_per_step = self._at_once if self._apart else self._at_once * length
        self._order: tuple[int, Tensor] | None = None

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Stream and the parent's outputs, (sequences, seq, hidden), or (1, tokens, hidden) of tokens apart."""
        epoch, within = divmod(step, self._units // self._at_once)
        chosen = self._shuffled(epoch)[within * self._at_once :][: self._at_once]
        stream, outputs = self._examples.stream, self._examples.outputs
        if not self._apart:
            return stream[chosen], outputs[chosen]
        return stream.flatten(0, 1)[chosen][None], outputs.flatten(0, 1)[chosen][None]

    def _shuffled(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            generator = torch.Generator().manual_seed(Random(f"{self._draw}/{epoch}").getrandbits(63))
            self._order = epoch, torch.randperm(self._units, generator=generator)
        return self._order[1]


def trainable(module: nn.Module, names: tuple[str, ...]) -> dict[str, nn.Parameter]:
    """Those parameters as copies of their own that gradients reach; what they were cut from stays as it is."""
    found: dict[str, nn.Parameter] = {}
    for name in names:
        owner, _, last = name.rpartition(".")
        parameter = nn.Parameter(module.get_parameter(name).detach().clone(), requires_grad=True)
        setattr(module.get_submodule(owner), last, parameter)
        found[name] = parameter
    return found
