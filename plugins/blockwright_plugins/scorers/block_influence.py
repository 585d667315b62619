"""`block-influence`: how much a whole layer turns the stream (ShortGPT, arXiv 2403.03853)."""

from __future__ import annotations

from collections.abc import Iterator

from blockwright.plugins import hookimpl
from blockwright.scoring import ScoreContext, Scorer, Scores
from blockwright.variants import SLOTS, SubBlock
from blockwright_plugins.scorers.similarity import shared_out, streams_by_layer, turned


class BlockInfluenceScorer(Scorer):
    """BI_i = 1 − E[cos(x_i, x_{i+1})] of a layer's input and output stream; no nats, so it ranks and predicts no loss.

    Each of the layer's two `skip` variants takes half of it, so that a removed layer sums to BI_i. ShortGPT knows
    whole layers only: another variant takes the share of its half that its missing parameters are of the parent's.
    """

    name = "block-influence"
    in_nats = False

    def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
        for streams in streams_by_layer(context.parent.stack(), context.tokens):
            half = turned(streams.before, streams.after) / len(SLOTS)
            for sub_block in (SubBlock(streams.layer, slot) for slot in SLOTS):
                if sub_block not in context.scored:
                    yield sub_block, shared_out(context, sub_block, half)


@hookimpl
def register_scorers() -> list[type[Scorer]]:
    return [BlockInfluenceScorer]
