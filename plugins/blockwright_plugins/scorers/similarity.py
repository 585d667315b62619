"""Scores from how much a part turns the residual stream, shared out over its variants by the parameters they lose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.events import emit
from blockwright.scoring import ScoreContext, Scores
from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.models.stack import LayerStack


@dataclass(frozen=True)
class LayerStreams:
    """The stream before a layer, between its sub-blocks and behind it, each (sequences, seq, hidden)."""

    layer: int
    before: Tensor
    middle: Tensor
    after: Tensor


def streams_by_layer(stack: LayerStack, tokens: Tensor) -> Iterator[LayerStreams]:
    """One walk over `tokens` (sequences, seq), with one layer and the streams around it resident."""
    stream = stack.embed(tokens)
    for index in range(len(stack)):
        streams = _through_layer(stack, index, stream)
        yield streams
        stream = streams.after
        emit("layer_scored", done=index + 1, total=len(stack), layer=index)


def _through_layer(stack: LayerStack, index: int, before: Tensor) -> LayerStreams:
    import torch

    from blockwright.models.stack import SEQUENCES_AT_ONCE

    layer, arguments = stack.layer(index), stack.attention_arguments(before.shape[1])
    middle, after = torch.empty_like(before), torch.empty_like(before)
    with torch.no_grad():
        for start in range(0, len(before), SEQUENCES_AT_ONCE):
            part = slice(start, start + SEQUENCES_AT_ONCE)
            attended = layer.attend(before[part], **arguments)
            middle[part] = before[part] if attended is None else before[part] + attended
            fed = layer.feed(middle[part])
            after[part] = middle[part] if fed is None else middle[part] + fed
    return LayerStreams(index, before, middle, after)


def turned(before: Tensor, after: Tensor) -> float:
    """1 − E[cos(before, after)] over tokens, from 0 (same direction) to 2."""
    from torch.nn.functional import cosine_similarity

    return max(0.0, 1 - float(cosine_similarity(before, after, dim=-1).double().mean()))


def shared_out(context: ScoreContext, sub_block: SubBlock, whole: float) -> Scores:
    """`whole` to `skip`, 0 to what is there, to others the share of it that they miss of that one's parameters."""
    shape = context.parent.shape(sub_block.slot)
    counts = {
        spec: context.variants[(spec.slot, spec.kind)].parameters(spec, shape)
        for spec in context.library.variants(sub_block)
    }
    present = context.parent.present(sub_block)
    kept = context.variants[(present.slot, present.kind)].parameters(present, shape)
    return {
        spec.label: 0.0 if spec == present else whole * max(0.0, 1 - count / kept) for spec, count in counts.items()
    }
