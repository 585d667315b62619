"""The heat map's scale: equal steps of log score."""

from __future__ import annotations

import math
from dataclasses import dataclass

from blockwright.report.reading import ScoreTable

STEPS = 9
_DECADES = 5  # below the greatest score; what is less has the palest colour


@dataclass(frozen=True)
class Scale:
    """Equal steps of log score between two scores; 0 is for what loses nothing."""

    least: float
    greatest: float

    @classmethod
    def of(cls, table: ScoreTable) -> Scale | None:
        """None where no variant loses anything, so that there is nothing to draw."""
        positive = [score for scores in table.values() for score in scores.values() if score > 0]
        if not positive:
            return None
        greatest = max(positive)
        return cls(max(min(positive), greatest * 10.0**-_DECADES), greatest)

    def step(self, score: float) -> int:
        """0 for nothing lost, else 1 to STEPS."""
        if score <= 0:
            return 0
        if self.greatest == self.least:
            return STEPS
        height = math.log(score / self.least) / math.log(self.greatest / self.least)
        return min(STEPS, max(1, 1 + int(height * STEPS)))

    @property
    def bounds(self) -> tuple[float, ...]:
        """Where each step begins, and where the last one ends."""
        ratio = self.greatest / self.least
        return tuple(self.least * ratio ** (step / STEPS) for step in range(STEPS + 1))
