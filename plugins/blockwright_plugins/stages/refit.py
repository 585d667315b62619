"""`refit`: healing without gradients, kept only where held-back tokens say that it pays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from blockwright.plugins import hookimpl
from blockwright.stages import Stage, StageContext, StageOptions, StageResult

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.healing.refitting import Decision, RefitRule
    from blockwright.variants import SubBlock

Share = Annotated[float, Field(ge=0, le=1)]


class RefitOptions(StageOptions):
    """Every combination of `ridge`, `correction` and `output_weighted` is tried on every sub-block.

    `sweeps`: how often to go through the child, as long as that pays. `tokens`: how many calibration tokens to use;
    all of them when it is not given. `gradient_tokens`: how many the output's sensitivity is measured on.
    """

    ridge: tuple[PositiveFloat, ...] = Field(default=(0.1,), min_length=1)
    correction: tuple[Share, ...] = Field(default=(1.0,), min_length=1)
    output_weighted: tuple[bool, ...] = Field(default=(False,), min_length=1)
    sweeps: PositiveInt = 1
    tokens: PositiveInt | None = None
    gradient_tokens: PositiveInt = 4096


class RefitStage(Stage):
    """Solves all output projections again on the child's own inputs, so that later layers make up for earlier ones.

    On each sub-block held-back tokens decide between the rules and the present weights; after each sweep they
    decide whether the whole child is kept.
    """

    name = "refit"
    heals = True
    Options = RefitOptions
    contract_options = ({"gradient_tokens": 64}, {"ridge": [0.1, 1.0], "correction": [0.5, 1.0], "sweeps": 2})

    def run(self, context: StageContext) -> StageResult:
        from blockwright.child.checkpoint import open_child, write_child
        from blockwright.healing.refitting import Refitting
        from blockwright.healing.texts import HealingTexts
        from blockwright.models.divergence import Reference

        judge = Reference(context.parent.stack(), context.tokens["heldback"])
        texts, moments = HealingTexts.of(context, self._options.tokens), self._output_moments(context)
        child = open_child(context.child)
        lowest = judge.divergence(child)
        figures, notes = {"before": lowest}, []
        for sweep in range(1, self._options.sweeps + 1):
            refitting = Refitting(context.parent.stack(), child, self._rules(), moments)
            refitted = refitting.run(texts)
            figures[f"sweep {sweep}"] = judge.divergence(refitted)
            notes += [f"sweep {sweep}: {note}" for note in summary(refitting.decisions)]
            if figures[f"sweep {sweep}"] >= lowest:
                notes.append(f"sweep {sweep} did not lower the KL on held-back tokens, and is undone")
                break
            lowest, child = figures[f"sweep {sweep}"], refitted
        figures["after"] = lowest
        if lowest == figures["before"]:
            return StageResult(context.child, figures, tuple(notes))
        write_child(context.directory / "child", child, context.parent)
        return StageResult(context.directory / "child", figures, tuple(notes))

    @property
    def _options(self) -> RefitOptions:
        assert isinstance(self.options, RefitOptions)
        return self.options

    def _rules(self) -> Sequence[RefitRule]:
        from blockwright.healing.refitting import RefitRule

        options = self._options
        return [RefitRule(*values) for values in product(options.ridge, options.correction, options.output_weighted)]

    def _output_moments(self, context: StageContext) -> dict[SubBlock, Tensor]:
        """E[g gᵀ] at every sub-block's output of the parent; kept in the stage's folder for a run that is killed."""
        from blockwright.building.gradients import output_moments

        moment = output_moments(context, self._options.gradient_tokens, context.directory)
        return {sub_block: moment(sub_block) for sub_block in context.parent.sub_blocks()}


def summary(decisions: Sequence[Decision]) -> list[str]:
    """How often each rule was taken, and what share of the error it left on held-back text, on average."""
    taken = Counter(decision.taken for decision in decisions)
    return [
        f"{rule}: taken on {count} of {len(decisions)} sub-blocks, "
        f"leaving {100 * _mean_share(decisions, rule):.1f}% of the error there"
        for rule, count in taken.most_common()
    ]


def _mean_share(decisions: Sequence[Decision], rule: str) -> float:
    shares = [decision.shares[rule] for decision in decisions if decision.taken == rule]
    return sum(shares) / len(shares)


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [RefitStage]
