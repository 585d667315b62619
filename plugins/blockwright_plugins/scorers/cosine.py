"""`cosine`: how much a sub-block turns the stream (LLM-Drop, arXiv 2406.15786)."""

from __future__ import annotations

from collections.abc import Iterator

from blockwright.plugins import hookimpl
from blockwright.scoring import ScoreContext, Scorer, Scores
from blockwright.variants import SubBlock
from blockwright_plugins.scorers.similarity import shared_out, streams_by_layer, turned


class CosineScorer(Scorer):
    """1 − E[cos(x, x + f(norm(x)))] of each sub-block f, for its `skip`; no nats, so it ranks and predicts no loss.

    LLM-Drop removes sub-blocks only: another variant takes the share that its missing parameters are of the parent's.
    """

    name = "cosine"
    in_nats = False

    def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
        for streams in streams_by_layer(context.parent.stack(), context.tokens):
            attention, ffn = SubBlock(streams.layer, "attention"), SubBlock(streams.layer, "ffn")
            sides = ((attention, streams.before, streams.middle), (ffn, streams.middle, streams.after))
            for sub_block, before, after in sides:
                if sub_block not in context.scored:
                    yield sub_block, shared_out(context, sub_block, turned(before, after))


@hookimpl
def register_scorers() -> list[type[Scorer]]:
    return [CosineScorer]
