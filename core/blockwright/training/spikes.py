"""When a training is given up: a loss that is no number, or one that stays far above what it was."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from statistics import median

from blockwright.training.settings import SpikeRule


class SpikeWatch:
    """Follows the losses; a function of them alone, so that a run that goes on after a kill judges alike."""

    def __init__(self, rule: SpikeRule, losses: Iterable[float] = ()) -> None:
        self.rule, self.in_a_row = rule, 0
        self._calm: deque[float] = deque(maxlen=rule.window)
        for loss in losses:
            self.see(loss)

    @property
    def suspicious(self) -> bool:
        """Whether the last loss was too high, so that the present weights are better not kept."""
        return self.in_a_row > 0

    def see(self, loss: float) -> str | None:
        """Why to stop, or None to go on. High losses do not enter the median."""
        if not math.isfinite(loss):
            self.in_a_row += 1
            return f"the loss is {loss}"
        usual = median(self._calm) if len(self._calm) == self.rule.window else math.inf
        if loss <= self.rule.factor * usual:
            self.in_a_row = 0
            self._calm.append(loss)
            return None
        self.in_a_row += 1
        if self.in_a_row < self.rule.steps:
            return None
        return (
            f"the loss ({loss:.3g}) was above {self.rule.factor:g} × its median ({usual:.3g}) for {self.in_a_row} steps"
        )
