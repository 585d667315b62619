"""What a variant is built from: the parent's sub-block, its activations on calibration text, and their moments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveInt
from torch import Tensor

from blockwright.child.modeling_blockwright import DecoderLayer
from blockwright.stack import LayerStack
from blockwright.variants import MODULE_NAMES, NORM_NAMES, SubBlock, SubBlockShape


class LibrarySettings(BaseModel):
    """The recipe's `library` section."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ridge: NonNegativeFloat = 1e-3
    channels_at_once: PositiveInt = 32
    gradient_tokens: PositiveInt = 8192
    gradient_samples: PositiveInt = 1
    sequences_at_once: PositiveInt = 8


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

    @property
    def input_to_output(self) -> InputMoments:
        return InputMoments(self._inputs, self._cross)

    def add(self, normed: Tensor, features: Tensor, outputs: Tensor) -> None:
        """One batch: normed inputs and outputs (…, hidden), features before the output projection (…, width)."""
        normed, features, outputs = normed.flatten(0, -2), features.flatten(0, -2), outputs.flatten(0, -2)
        self._inputs += normed.T @ normed
        self._cross += normed.T @ outputs
        self.features += features.T @ features


@dataclass
class SubBlockContext:
    """One sub-block of the parent with the stream that enters it.

    `stream` is the residual stream before the sub-block on the calibration text (sequences, seq, hidden);
    `gradient_moment` is E[g gᵀ] (hidden, hidden), g = ∂ log p(y) / ∂ output, y drawn from the parent.
    """

    sub_block: SubBlock
    shape: SubBlockShape
    stack: LayerStack
    layer: DecoderLayer
    stream: Tensor
    gradient_moment: Tensor
    settings: LibrarySettings
    seed: int
    _finished: Statistics | None = field(default=None, repr=False)

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
        """What an attention module needs beside its input; nothing for an FFN."""
        return self.stack.attention_arguments(self.stream.shape[1]) if self.sub_block.slot == "attention" else {}

    def batches(self) -> Iterator[Tensor]:
        """Normed inputs of the sub-block, (sequences, seq, hidden) at a time."""
        norm = self.layer.get_submodule(NORM_NAMES[self.sub_block.slot])
        with torch.no_grad():
            for batch in self.stream.split(self.settings.sequences_at_once):
                yield norm(batch)

    @property
    def statistics(self) -> Statistics:
        """The moments; the first reading makes a pass over the text."""
        if self._finished is None:
            self._finished = self._measure(advance=False)
        return self._finished

    def advance(self) -> None:
        """Moves the stream past the sub-block, in place; the moments are taken in the same pass."""
        self._finished = self._measure(advance=True)

    def _measure(self, advance: bool) -> Statistics:
        output_projection = self.weights["o_proj.weight" if self.sub_block.slot == "attention" else "down_proj.weight"]
        statistics = Statistics(self.shape.hidden_size, output_projection.shape[1])
        streams = self.stream.split(self.settings.sequences_at_once)
        for stream, normed in zip(streams, self.batches(), strict=True):
            with torch.no_grad():
                features = self.module.features(normed, **self.attention_arguments)  # type: ignore[operator]
                outputs = self.module.get_submodule(_OUTPUT[self.sub_block.slot])(features)
                statistics.add(normed, features, outputs)
                if advance:
                    stream += outputs
        return statistics


_OUTPUT = {"attention": "o_proj", "ffn": "down_proj"}
