"""What each join loses, measured: FFNs side by side in the parent, run to the logits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from blockwright.events import emit
from blockwright.files import write_json
from blockwright.models.divergence import Reference, divergence
from blockwright.models.sensitivity import streams_between_layers
from blockwright.models.stack import SEQUENCES_AT_ONCE, run_layers
from blockwright.searching.join_making import JOIN_SCORES, scored, scores_of_joins
from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from blockwright.child.modeling_blockwright import DecoderLayer
    from blockwright.models.stack import LayerStack
    from blockwright.problem import Join


def score_joins(parent: LayerStack, tokens: Tensor, joins: Iterable[Join], folder: Path) -> tuple[Join, ...]:
    """The joins with their scores, in nats per token on tokens (sequences, seq): KL of the parent that skips the
    attention between two FFNs and runs them side by side, less that of the one that skips it and runs them in a row.

    Only the layers behind are run again. What a killed run has measured is read from `folder`.
    """
    asked, scores = list(joins), scores_of_joins(folder)
    missing = [join.left for join in asked if join.left not in scores]
    losses = _Losses(Reference(parent, tokens), parent) if missing else None
    for done, left in enumerate(missing, 1 + len(asked) - len(missing)):
        assert losses is not None
        scores[left] = losses.of_joining(SubBlock.parse(left).layer)
        write_json(folder / JOIN_SCORES, scores)
        emit("join_scored", done=done, total=len(asked), join=left)
    return scored(asked, scores)


def rescore_joins(reference: Reference, child: LayerStack, joins: Iterable[Join]) -> tuple[Join, ...]:
    """Joins scored as `score_joins` does it, but in a child whose FFNs are apart, where both FFNs are there and nothing
    parts them; the others keep their scores."""
    losses = _Losses(reference, child)
    return tuple(replace(one, score=losses.of_joining(_layer(one))) if _is_open(child, one) else one for one in joins)


def _layer(join: Join) -> int:
    return SubBlock.parse(join.left).layer


def _is_open(child: LayerStack, join: Join) -> bool:
    left, right = (child.config.layer(_layer(join) + offset) for offset in (0, 1))
    return "attention" in right.skip and not any("mlp" in layer.skip for layer in (left, right))


class _Losses:
    """What joining two FFNs of a stack adds to its KL from the parent; the stream before each layer is kept."""

    def __init__(self, reference: Reference, stack: LayerStack) -> None:
        self._reference, self._stack = reference, stack
        self._streams = streams_between_layers(stack, reference.tokens)
        self._arguments = stack.attention_arguments(reference.tokens.shape[1])

    def of_joining(self, layer: int) -> float:
        """The FFN of a layer with that of the next, whose attention is left out."""
        stream, first, second = self._streams[layer], self._stack.layer(layer), self._stack.layer(layer + 1)
        parts = stream.split(SEQUENCES_AT_ONCE)
        pairs = [_row_and_side_by_side(first, second, part, self._arguments) for part in parts]
        entries = torch.cat([torch.cat(parts) for parts in zip(*pairs, strict=True)])
        in_a_row, side_by_side = run_layers(self._stack, entries, start=layer + 2).split(len(stream))
        return self._divergence(side_by_side) - self._divergence(in_a_row)

    def _divergence(self, end: Tensor) -> float:
        at_parent = self._reference.head, self._reference.stream
        return float(divergence(*at_parent, self._stack.head(), end).double().mean())


def _row_and_side_by_side(
    first: DecoderLayer, second: DecoderLayer, stream: Tensor, arguments: Mapping[str, object]
) -> tuple[Tensor, Tensor]:
    """The stream after two layers of which the second has no attention, its FFN reading the first's output or not."""
    with torch.no_grad():
        attended = _added(stream, first.attend(stream, **arguments))
        after_one = _added(attended, first.feed(attended))
        return _added(after_one, second.feed(after_one)), _added(after_one, second.feed(attended))


def _added(stream: Tensor, contribution: Tensor | None) -> Tensor:
    return stream if contribution is None else stream + contribution
