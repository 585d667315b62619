"""What a variant is built from: the parent's sub-block, its activations on calibration text, and their moments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from blockwright.child.modeling_blockwright import DecoderLayer
from blockwright.healing.block_distillation.lessons import Examples
from blockwright.healing.block_distillation.settings import BlockDistillSettings
from blockwright.models.stack import LayerStack
from blockwright.soundness import refuse_activations
from blockwright.variants import (
    MODULE_NAMES,
    NORM_NAMES,
    OUTPUT_PROJECTIONS,
    SubBlock,
    SubBlockShape,
    VariantSpec,
)


class LibrarySettings(BaseModel):
    """The recipe's `library` section. `shared`: a folder of `blockwright share`, taken in place of building one.

    `distill`: trains what was built in closed form on the parent's activations; `distill: {}` with the defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    ridge: NonNegativeFloat = 1e-3
    channels_at_once: PositiveInt = 32
    channel_choices: tuple[Literal["output", "magnitude"], ...] = Field(default=("output", "magnitude"), min_length=1)
    gradient_tokens: PositiveInt = 8192
    gradient_samples: PositiveInt = 1
    sequences_at_once: PositiveInt = 8
    shared: str | None = None
    distill: BlockDistillSettings | None = None


@dataclass(frozen=True)
class InputMoments:
    """Of the normed input x and the parent's output y of a sub-block: XᵀX (d, d) and XᵀY (d, d), float64."""

    inputs: Tensor
    cross: Tensor


class Statistics:
    """Second moments of one sub-block over the calibration text, summed in float64."""

    def __init__(self, hidden_size: int, feature_width: int) -> None:
        self._inputs = torch.zeros(hidden_size, hidden_size, dtype=torch.float64)
        self._cross = torch.zeros(hidden_size, hidden_size, dtype=torch.float64)
        self.features = torch.zeros(feature_width, feature_width, dtype=torch.float64)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Statistics:
        """The inverse of `tensors`."""
        statistics = cls(0, 0)
        statistics._inputs, statistics._cross = tensors["inputs"], tensors["cross"]
        statistics.features = tensors["features"]
        return statistics

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All sums by name, to be stored."""
        return {"inputs": self._inputs, "cross": self._cross, "features": self.features}

    @property
    def input_to_output(self) -> InputMoments:
        return InputMoments(self._inputs, self._cross)

    @property
    def moments(self) -> tuple[Tensor, Tensor, Tensor]:
        """All of them: of the inputs, of these with the outputs, of the features."""
        return self._inputs, self._cross, self.features

    def add(self, normed: Tensor, features: Tensor, outputs: Tensor) -> None:
        """One batch: normed inputs and outputs (…, hidden), features before the output projection (…, width)."""
        normed, features, outputs = normed.flatten(0, -2), features.flatten(0, -2), outputs.flatten(0, -2)
        self._inputs += normed.T @ normed
        self._cross += normed.T @ outputs
        self.features += features.T @ features


@dataclass(frozen=True)
class Streams:
    """Residual streams (sequences, seq, hidden) on their way through the parent, moved on in place.

    `calibration` is what variants are fitted to; `heldback` is text that they do not see, to decide between them.
    """

    calibration: Tensor
    heldback: Tensor


@dataclass
class SubBlockContext:
    """One sub-block of the parent with the streams that enter it.

    `gradient_moment` is E[g gᵀ] (hidden, hidden), g = ∂ log p(y) / ∂ output, y drawn from the parent. `measured` and
    `outputs` hold, by the name of the stream, the moments that were taken and what the parent's sub-block adds.
    `present` is the variant that stands there already, where that is not the dense parent's own.
    """

    sub_block: SubBlock
    shape: SubBlockShape
    stack: LayerStack
    layer: DecoderLayer
    streams: Streams
    gradient_moment: Tensor
    settings: LibrarySettings
    seed: int
    present: VariantSpec | None = None
    decisions: dict[str, dict[str, float]] = field(default_factory=dict)
    measured: dict[str, Statistics] = field(default_factory=dict, repr=False)
    outputs: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @property
    def module(self) -> torch.nn.Module:
        """The parent's own sub-block."""
        return self.layer.get_submodule(MODULE_NAMES[self.sub_block.slot])

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The parent's weights by their names inside the sub-block."""
        return dict(self.module.state_dict())

    @cached_property
    def attention_arguments(self) -> dict[str, object]:
        """What the parent's attention module needs beside its input; nothing for an FFN."""
        return self.attention_arguments_for(())

    def attention_arguments_for(self, windows: Iterable[int | None]) -> dict[str, object]:
        """The same for attentions that see other windows than the parent's own."""
        length = self.streams.calibration.shape[1]
        return self.stack.attention_arguments(length, windows) if self.sub_block.slot == "attention" else {}

    def batches(self) -> Iterator[Tensor]:
        """Normed inputs of the sub-block on the calibration text, (sequences, seq, hidden) at a time."""
        return (normed for _, normed in self._normed(self.streams.calibration))

    @property
    def statistics(self) -> Statistics:
        """The moments on the calibration text; the first reading makes a pass over it."""
        return self._statistics("calibration")

    @property
    def heldback_statistics(self) -> Statistics:
        """The moments on the held-back text."""
        return self._statistics("heldback")

    def record(self, spec: VariantSpec, losses: Mapping[str, float]) -> None:
        """Keeps what each way of building a variant loses on held-back text, for the report."""
        self.decisions[spec.label] = dict(losses)

    def keep_outputs(self) -> None:
        """Takes the moments and keeps what the parent's sub-block adds to the streams, until they move on."""
        for name in ("calibration", "heldback"):
            self.outputs[name] = torch.empty_like(getattr(self.streams, name))
            self.measured[name] = self._measure(name, advance=False)

    def examples(self, name: str) -> Examples:
        """One of the streams with the outputs that were kept."""
        return Examples(getattr(self.streams, name), self.outputs[name])

    def advance(self) -> None:
        """Moves the streams past the sub-block, in place; the moments are taken in the same pass."""
        for name in ("calibration", "heldback"):
            if name in self.outputs:
                getattr(self.streams, name).add_(self.outputs.pop(name))
            else:
                self.measured[name] = self._measure(name, advance=True)

    def _statistics(self, name: str) -> Statistics:
        if name not in self.measured:
            self.measured[name] = self._measure(name, advance=False)
        return self.measured[name]

    def _measure(self, name: str, advance: bool) -> Statistics:
        projection = self.module.get_submodule(OUTPUT_PROJECTIONS[self.sub_block.slot])
        statistics = Statistics(self.shape.hidden_size, projection.get_parameter("weight").shape[1])
        kept = iter(self.outputs[name].split(self.settings.sequences_at_once)) if name in self.outputs else None
        with torch.no_grad():
            for stream, normed in self._normed(getattr(self.streams, name)):
                features = self.module.features(normed, **self.attention_arguments)  # type: ignore[operator]
                outputs = projection(features)
                statistics.add(normed, features, outputs)
                if kept is not None:
                    next(kept).copy_(outputs)
                if advance:
                    stream += outputs
        refuse_activations("activations", self.sub_block, *statistics.moments)
        return statistics

    def _normed(self, stream: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Parts of a stream, each with its normed copy."""
        norm = self.layer.get_submodule(NORM_NAMES[self.sub_block.slot])
        for part in stream.split(self.settings.sequences_at_once):
            with torch.no_grad():
                normed = norm(part)
            yield part, normed
