"""`replace-one-block`: the reference; each variant alone in the parent, run to the logits (Puzzle, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from blockwright.events import emit
from blockwright.plugins import hookimpl
from blockwright.scoring import Piece, PiecewiseScorer, ScoreContext, Scorer, Scores
from blockwright.variants import SLOTS, SubBlock, VariantSpec

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.models.stack import LayerStack
    from blockwright.searching.replacement import Replacements


class ReplaceOneBlockScorer(PiecewiseScorer):
    """Exact KL(parent‖child) of every single replacement; only the layers behind it are run again."""

    name = "replace-one-block"

    def walk(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Piece]]:
        from blockwright.models.sensitivity import streams_between_layers

        stack = context.parent.stack()
        streams = streams_between_layers(stack, context.tokens)
        for sub_block in context.parent.sub_blocks():
            if sub_block in context.scored:
                continue
            yield sub_block, {"stream": streams[sub_block.layer], "end": streams[-1]}
            emit("sub_block_scored", done=sub_block.layer + 1, total=len(stack), sub_block=str(sub_block))

    def price(self, context: ScoreContext, sub_block: SubBlock, piece: Piece) -> Scores:
        from blockwright.searching.replacement import Replacements

        replacements = Replacements(context.parent, context.library, context.variants)
        variants, present = context.library.variants(sub_block), context.parent.present(sub_block)
        specs = [spec for spec in variants if spec != present]
        entries = [_after_replacement(replacements, sub_block, spec, piece["stream"]) for spec in specs]
        scores = _divergences(context.parent.stack(), sub_block.layer + 1, entries, piece["end"])
        labels = [spec.label for spec in specs]
        return {present.label: 0.0, **dict(zip(labels, scores, strict=True))}


def _after_replacement(replacements: Replacements, sub_block: SubBlock, spec: VariantSpec, stream: Tensor) -> Tensor:
    """The stream after the whole layer with one of its sub-blocks replaced."""
    layer = sub_block.layer
    specs = {slot: spec if slot == sub_block.slot else VariantSpec(slot, "keep") for slot in SLOTS}
    stream = stream + replacements.output(SubBlock(layer, "attention"), specs["attention"], stream)
    return stream + replacements.output(SubBlock(layer, "ffn"), specs["ffn"], stream)


def _divergences(stack: LayerStack, start: int, entries: Sequence[Tensor], parent_stream: Tensor) -> list[float]:
    """KL in nats per token of each stream, run through the layers from `start` on."""
    import torch

    from blockwright.models.divergence import divergence
    from blockwright.models.stack import run_layers

    head = stack.head()
    ends = run_layers(stack, torch.cat(list(entries)), start=start).split(len(parent_stream)) if entries else ()
    return [float(divergence(head, parent_stream, head, end).double().mean()) for end in ends]


@hookimpl
def register_scorers() -> list[type[Scorer]]:
    return [ReplaceOneBlockScorer]
