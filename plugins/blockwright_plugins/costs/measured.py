"""`measured`: every variant as it was timed on this machine, inside models of its own kind."""

from __future__ import annotations

from blockwright.costs import CostModel, Time, Work
from blockwright.costs.parts import Head, Part, PlacedVariant
from blockwright.errors import UserError
from blockwright.hardware.timings import Timed
from blockwright.measuring.parts import timed_part, timed_rest
from blockwright.plugins import hookimpl


class MeasuredCosts(CostModel):
    """Looks up what `blockwright hardware measure --recipe` has recorded; nothing is guessed.

    A variant's time includes its norm; what is no sub-block (embedding, positions, masks, head) has one time together.
    """

    name = "measured"

    def time(self, part: Part, work: Work) -> Time | None:
        assert self.hardware is not None
        timed = _key(part, work)
        if timed is None:
            return Time(0.0, 0.0, "measured")
        if timed not in self.hardware.timings:
            raise UserError(
                f"{self.hardware.name} has no time of {timed.part}, {timed.precision}, {timed.phase} of "
                f"{timed.sequences} × {timed.tokens} tokens over {timed.kv_tokens}; "
                f"type `blockwright hardware measure --recipe RECIPE --out {self.hardware.name}.yaml`"
            )
        return Time(self.hardware.timings[timed], 0.0, "measured")


def _key(part: Part, work: Work) -> Timed | None:
    """None for what is timed along with something else, and for sub-blocks that are not there."""
    match part:
        case Head(vocabulary=vocabulary, hidden=hidden):
            return timed_rest(vocabulary, hidden, work)
        case PlacedVariant() if part.parameters > 0:
            return timed_part(part, work)
    return None


@hookimpl
def register_cost_models() -> list[type[CostModel]]:
    return [MeasuredCosts]
