"""What each join loses, measured: FFNs side by side in the parent, run to the logits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from blockwright.events import emit
from blockwright.files import write_json
from blockwright.models.divergence import divergence
from blockwright.models.sensitivity import streams_between_layers
from blockwright.models.stack import SEQUENCES_AT_ONCE, run_layers
from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from blockwright.child.modeling_blockwright import DecoderLayer
    from blockwright.models.stack import LayerStack
    from blockwright.problem import Join

RECORD = "joins.json"


def score_joins(parent: LayerStack, tokens: Tensor, joins: Iterable[Join], folder: Path) -> tuple[Join, ...]:
    """The joins with their scores, in nats per token on tokens (sequences, seq): KL of the parent that skips the
    attention between two FFNs and runs them side by side, less that of the one that skips it and runs them in a row.

    Only the layers behind are run again. What a killed run has measured is read from `folder`.
    """
    asked, record = list(joins), folder / RECORD
    scores: dict[str, float] = json.loads(record.read_text()) if record.exists() else {}
    missing = [join.left for join in asked if join.left not in scores]
    streams = streams_between_layers(parent, tokens) if missing else []
    for done, left in enumerate(missing, 1 + len(asked) - len(missing)):
        layer = SubBlock.parse(left).layer
        scores[left] = _loss(parent, layer, streams[layer], streams[-1])
        write_json(record, scores)
        emit("join_scored", done=done, total=len(asked), join=left)
    return tuple(replace(join, score=scores[join.left]) for join in asked)


def _loss(parent: LayerStack, layer: int, stream: Tensor, parent_end: Tensor) -> float:
    arguments, head = parent.attention_arguments(stream.shape[1]), parent.head()
    first, second = parent.layer(layer), parent.layer(layer + 1)
    pairs = [_row_and_side_by_side(first, second, part, arguments) for part in stream.split(SEQUENCES_AT_ONCE)]
    entries = torch.cat([torch.cat(parts) for parts in zip(*pairs, strict=True)])
    in_a_row, side_by_side = run_layers(parent, entries, start=layer + 2).split(len(stream))
    lost = [divergence(head, parent_end, head, end).double().mean() for end in (in_a_row, side_by_side)]
    return float(lost[1] - lost[0])


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
