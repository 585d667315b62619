"""`refit`: healing without gradients, kept only where held-back tokens say that it pays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from blockwright.plugins import hookimpl
from blockwright.stages import Stage, StageContext, StageOptions, StageResult

if TYPE_CHECKING:
    from blockwright.stack import LayerStack

Share = Annotated[float, Field(ge=0, le=1)]


class RefitOptions(StageOptions):
    """Every pairing of `ridge` and `correction` is tried, and the best tried again from there, `sweeps` times at most.

    `tokens`: how many calibration tokens to use; all of them when it is not given.
    """

    ridge: tuple[PositiveFloat, ...] = (0.01,)
    correction: tuple[Share, ...] = (1.0,)
    sweeps: PositiveInt = 1
    tokens: PositiveInt | None = None


class RefitStage(Stage):
    """Solves all output projections again on the child's own inputs, so that later layers make up for earlier ones."""

    name = "refit"
    Options = RefitOptions

    def run(self, context: StageContext) -> StageResult:
        from blockwright.checkpoint import open_child, write_child

        judge = HeldBack(context)
        child = open_child(context.child)
        before = lowest = judge.divergence(child)
        figures = {"before": before}
        for sweep in range(1, self._options.sweeps + 1):
            refits = dict(self._refits(context, child))
            realised = {name: judge.divergence(refit) for name, refit in refits.items()}
            figures.update({f"sweep {sweep}, {name}": kl for name, kl in realised.items()})
            best = min(realised, key=lambda name: realised[name])
            if realised[best] >= lowest:
                break
            lowest, child = realised[best], refits[best]
        figures["after"] = lowest
        if lowest >= before:
            return StageResult(
                context.child, figures, ("no refit lowered the KL on held-back tokens: the child stays",)
            )
        write_child(context.directory / "child", child, context.parent)
        return StageResult(context.directory / "child", figures)

    @property
    def _options(self) -> RefitOptions:
        assert isinstance(self.options, RefitOptions)
        return self.options

    def _refits(self, context: StageContext, child: LayerStack) -> Iterator[tuple[str, LayerStack]]:
        """The child with each rule's projections, by what the rule says."""
        from blockwright.refitting import RefitRule, Replaced, refitted_weights
        from blockwright.stack import LayerStack

        tokens = context.tokens["calibration"]
        tokens = tokens[: -(-self._options.tokens // tokens.shape[1])] if self._options.tokens else tokens
        for strength, correction in product(self._options.ridge, self._options.correction):
            weights = refitted_weights(context.parent.stack(), child, tokens, RefitRule(strength, correction))
            yield (
                f"ridge {strength:g}, correction {correction:g}",
                LayerStack(child.config, Replaced(child.source, weights)),
            )


class HeldBack:
    """KL(parent‖child) on held-back tokens, in nats per token; the parent runs once."""

    def __init__(self, context: StageContext) -> None:
        from blockwright.evaluation import final_stream

        parent = context.parent.stack()
        self.tokens = context.tokens["heldback"]
        self.stream, self.head = final_stream(parent, self.tokens), parent.head()

    def divergence(self, child: LayerStack) -> float:
        from blockwright.divergence import divergence
        from blockwright.evaluation import final_stream

        ends = final_stream(child, self.tokens)
        return float(divergence(self.head, self.stream, child.head(), ends).double().mean())


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [RefitStage]
