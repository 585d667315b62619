"""`fisher`: the whole library's scores from one walk back through the parent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from blockwright.events import emit
from blockwright.plugins import hookimpl
from blockwright.scoring import Piece, PiecewiseScorer, ScoreContext, Scorer, ScorerOptions, Scores
from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.searching.replacement import Replacements


class FisherOptions(ScorerOptions):
    """`samples`: draws of y a token; more lower the noise of every score."""

    samples: PositiveInt = 4


class FisherScorer(PiecewiseScorer):
    """KL(parent‖child) ≈ ½ Σ_t E_{y~p}[(g_t·δ_t)²], δ = variant output − parent output, g = ∂ log p(y) / ∂ output.

    The second-order expansion of the KL around the parent, where its first-order term vanishes.
    """

    name = "fisher"
    Options = FisherOptions

    def walk(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Piece]]:
        from blockwright.models.sensitivity import sampled_gradient, walk_back

        assert isinstance(self.options, FisherOptions)
        stack = context.parent.stack()
        head_gradient = sampled_gradient(stack.head(), self.options.samples, context.seed)
        for at in walk_back(stack, context.tokens, head_gradient):
            for sub_block, stream, gradients in at.sides():
                if sub_block not in context.scored:
                    yield sub_block, {"stream": stream, "gradients": gradients}
            emit("layer_scored", done=len(stack) - at.layer, total=len(stack), layer=at.layer)

    def price(self, context: ScoreContext, sub_block: SubBlock, piece: Piece) -> Scores:
        from blockwright.searching.replacement import Replacements

        replacements = Replacements(context.parent, context.library, context.variants)
        return _scores(replacements, sub_block, piece["stream"], piece["gradients"])


def _scores(replacements: Replacements, sub_block: SubBlock, stream: Tensor, gradients: Tensor) -> Scores:
    present = replacements.parent.present(sub_block)
    kept = replacements.output(sub_block, present, stream)
    specs = replacements.library.variants(sub_block)
    return {
        spec.label: 0.0 if spec == present else second_order(gradients, output - kept)
        for spec, output in replacements.outputs(sub_block, specs, stream)
    }


def second_order(gradient: Tensor, change: Tensor) -> float:
    """½ mean over tokens of E[(g·δ)²]; gradient (samples, …, hidden), change (…, hidden)."""
    return float((gradient * change).sum(dim=-1).double().square().mean() / 2)


@hookimpl
def register_scorers() -> list[type[Scorer]]:
    return [FisherScorer]
