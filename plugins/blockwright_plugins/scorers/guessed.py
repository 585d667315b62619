"""`guessed`: what a replacement might lose, by its size and a die. Nothing is measured."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from blockwright.plugins import hookimpl
from blockwright.scoring import ScoreContext, Scorer, Scores
from blockwright.variants import SubBlock, VariantSpec


class GuessedScorer(Scorer):
    """weight · (missing share of the sub-block's parameters)^1.5 · noise, both log-normal: no nats, and no evidence.

    For dry runs of parents without weights, to see that a budget can be kept and how long the search takes. Sub-blocks
    differ (σ = 1) and so do variants (σ = 0.3), since among equals the search would meet nothing but ties; which are
    dear and which are cheap is drawn from the recipe's seed, and what is chosen by it says nothing of quality.
    """

    name = "guessed"
    in_nats = False
    needs_weights = False
    guesses = True

    def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
        for sub_block in context.library.sub_blocks():
            if sub_block not in context.scored:
                yield sub_block, _guesses(context, sub_block)


def _guesses(context: ScoreContext, sub_block: SubBlock) -> Scores:
    shape, kept = context.parent.shape(sub_block.slot), VariantSpec(sub_block.slot, "keep")
    whole = context.variants[(kept.slot, kept.kind)].parameters(kept, shape)
    draw = Random(f"{context.seed} {sub_block}")
    weight, scores = draw.lognormvariate(0, 1), {}
    for spec in context.library.variants(sub_block):
        missing = max(0.0, 1 - context.variants[(spec.slot, spec.kind)].parameters(spec, shape) / whole)
        scores[spec.label] = 0.0 if spec == kept else weight * missing**1.5 * draw.lognormvariate(0, 0.3)
    return scores


@hookimpl
def register_scorers() -> list[type[Scorer]]:
    return [GuessedScorer]
