"""How much each part of a model leans on each part before it: the dependency matrix (arXiv 2503.18908, section 4).

h_j = f_j(X_j) - X_j is what part j adds to the stream, h̃_j^i what it adds when part i is taken out of the model, and
M_ij = 1 - cos(h_j, h̃_j^i), the mean over tokens of text, for i < j. Parts of low dependency can run side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from blockwright.events import emit
from blockwright.fusion.runs import Run
from blockwright.fusion.splitting import Dependencies
from blockwright.models.stack import LayerStack, added_to

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.modeling_blockwright import DecoderLayer

Contribution = Callable[["Tensor"], "Tensor | None"]
"""What a part adds to some sequences of a stream (sequences, seq, hidden); None where it adds nothing."""


def ffn_dependencies(stack: LayerStack, tokens: Tensor, runs: Iterable[Run]) -> Mapping[Run, Dependencies]:
    """Of the FFNs of each run among themselves, on tokens (sequences, seq), in one walk with one layer resident.

    Beside the model's own stream there is one for each member of the run that the walk is in.
    """
    run_of = {layer: run for run in runs for layer in run.layers}
    found: dict[Run, Dependencies] = {}
    stream, arguments = stack.embed(tokens), stack.attention_arguments(tokens.shape[1])
    removals = Removals(stream)
    for index in range(len(stack)):
        layer = stack.layer(index)
        _pass(stream, lambda part, layer=layer: layer.attend(part, **arguments))  # type: ignore[misc]
        run = run_of.get(index)
        if run is None:
            _pass(stream, layer.feed)
        else:
            removals = Removals(stream) if index == run.layers[0] else removals  # only one run's streams are held
            removals.pass_part(layer.feed)
            found[run] = removals.matrix  # whole after the last member
        emit("dependencies_measured", done=index + 1, total=len(stack), layer=index)
    return found


def block_dependencies(stack: LayerStack, tokens: Tensor, reach: int) -> Dependencies:
    """Of whole layers, on tokens (sequences, seq); each is looked at from so many layers after it, further on is 0.

    Beside the model's own stream there are `reach` more.
    """
    arguments = stack.attention_arguments(tokens.shape[1])
    removals = Removals(stack.embed(tokens), reach)
    for index in range(len(stack)):
        layer = stack.layer(index)
        removals.pass_part(lambda part, layer=layer: added_by(layer, part, arguments))  # type: ignore[misc]
        emit("dependencies_measured", done=index + 1, total=len(stack), layer=index)
    return removals.matrix


def added_by(layer: DecoderLayer, stream: Tensor, arguments: Mapping[str, object]) -> Tensor | None:
    """What a whole layer adds to the stream, None where all of it is skipped."""
    attended: Tensor | None = layer.attend(stream, **arguments)
    fed: Tensor | None = layer.feed(stream if attended is None else stream + attended)
    if attended is None:
        return fed
    return attended if fed is None else attended + fed


@dataclass
class Removals:
    """A model's stream on its way, moved on in place, and beside it those of the model without one of its parts."""

    stream: Tensor
    reach: int | None = None
    _without: list[Tensor | None] = field(default_factory=list)
    _columns: list[list[float]] = field(default_factory=list)

    @property
    def matrix(self) -> Dependencies:
        """Row i, column j: how much part j changes without part i; 0 where nothing was measured."""
        count = len(self._columns)
        return [[self._columns[j][i] if i < j else 0.0 for j in range(count)] for i in range(count)]

    def pass_part(self, contribution: Contribution) -> None:
        """Takes all streams past the model's next part."""
        added = added_to(self.stream, contribution)
        if added is None:  # nothing is missed where there is nothing
            self._columns.append([0.0] * len(self._without))
            self._without.append(None)
        else:
            self._columns.append([self._distance(contribution, added, each) for each in self._without])
            self._without.append(self.stream.clone())
            self.stream += added
        if self.reach is not None and len(self._without) > self.reach:
            self._without[-self.reach - 1] = None

    @staticmethod
    def _distance(contribution: Contribution, expected: Tensor, without: Tensor | None) -> float:
        """1 - cosine of what the part adds with and without, the mean over tokens; moves the latter stream on."""
        if without is None:
            return 0.0
        found = added_to(without, contribution)
        assert found is not None
        without += found
        cosine = torch.nn.functional.cosine_similarity(expected.float(), found.float(), dim=-1)
        return max(0.0, float((1 - cosine).double().mean()))


def _pass(stream: Tensor, contribution: Contribution) -> None:
    """Adds a part's contribution to the stream, in place."""
    added = added_to(stream, contribution)
    if added is not None:
        stream += added
