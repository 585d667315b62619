"""What each stage says that it gained, in an order that reads as it happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blockwright.report.records import StageOutcome


@dataclass(frozen=True)
class Healing:
    """One stage: its figures from `before` to `after`, and its notes."""

    step: str
    outcome: StageOutcome
    kept_the_child: bool

    @property
    def figures(self) -> Mapping[str, float]:
        """`before` first and `after` last, whatever order the file has."""
        place = {"before": -1, "after": 1}
        names = sorted(self.outcome.figures, key=lambda name: (place.get(name, 0), name))
        return {name: self.outcome.figures[name] for name in names}

    @property
    def change(self) -> float | None:
        """From `before` to `after`, as a share of `before`; None where the stage has no such figures."""
        before, after = self.outcome.figures.get("before"), self.outcome.figures.get("after")
        return after / before - 1 if before and after is not None else None


def healings(stages: Mapping[str, StageOutcome]) -> tuple[Healing, ...]:
    """In the order of the steps."""
    return tuple(Healing(step, outcome, not outcome.child.startswith(f"{step}/")) for step, outcome in stages.items())
