"""Which prompts are asked when: from easy to hard by their pass rates (arXiv 2505.00949, section on RL for reasoning).

The target of each batch is a Gaussian over pass rates, centred on high ones at first and on low ones at the end; what
is left of a batch is filled from the largest pool that remains.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PositiveFloat

from blockwright.training.settings import Share


class Curriculum(BaseModel):
    """The target's centre goes from the pass rate `first` to `last` in a straight line; `width` is its sigma.

    The paper gives no numbers for these; they are ours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    first: Share = 0.75
    last: Share = 0.0
    width: PositiveFloat = 0.2

    def centre(self, done: float) -> float:
        """At the share `done` of the training."""
        return self.first + (self.last - self.first) * done


CurriculumOption = Annotated[
    Curriculum | Literal["off"], BeforeValidator(lambda given: "off" if given is False or given is None else given)
]


def ordered(
    rates: Sequence[float], batches: int, size: int, curriculum: Curriculum | Literal["off"], seed: int
) -> list[list[int]]:
    """For each batch the indices of its `size` prompts; no prompt comes again before all have come.

    Without a curriculum they are shuffled anew for each time that all of them come.
    """
    chance = random.Random(seed)
    if curriculum == "off":
        return _shuffled(len(rates), batches, size, chance)
    pools = _Pools(rates, chance)
    drawn = []
    for batch in range(batches):
        centre = curriculum.centre(batch / max(1, batches - 1))
        drawn.append(pools.draw(size, {rate: _bell((rate - centre) / curriculum.width) for rate in pools.rates}))
    return drawn


def _shuffled(prompts: int, batches: int, size: int, chance: random.Random) -> list[list[int]]:
    order: list[int] = []
    while len(order) < batches * size:
        order += chance.sample(range(prompts), prompts)
    return [order[start : start + size] for start in range(0, batches * size, size)]


class _Pools:
    """Prompts that have not been asked yet, by pass rate."""

    def __init__(self, rates: Sequence[float], chance: random.Random) -> None:
        self.rates = sorted(set(rates))
        self._of = rates
        self._chance = chance
        self._pools: dict[float, list[int]] = {}
        self._fill()

    def draw(self, size: int, target: Mapping[float, float]) -> list[int]:
        """`size` indices, as near to the target as what remains allows; when all are gone, all come again."""
        drawn: list[int] = []
        for rate, count in self._quotas(size, target).items():
            drawn += [self._take(rate) for _ in range(count)]
        while len(drawn) < size:
            if not any(self._pools.values()):
                self._fill()
            drawn.append(self._take(max(self.rates, key=lambda rate: len(self._pools[rate]))))
        return drawn

    def _quotas(self, size: int, target: Mapping[float, float]) -> dict[float, int]:
        """How many each pool is to give, rounded down, of those that it has."""
        there = {rate: weight for rate, weight in target.items() if self._pools[rate]}
        total = sum(there.values())
        if total <= 0:
            return {}
        return {rate: min(len(self._pools[rate]), int(size * weight / total)) for rate, weight in there.items()}

    def _take(self, rate: float) -> int:
        return self._pools[rate].pop()

    def _fill(self) -> None:
        pools: defaultdict[float, list[int]] = defaultdict(list)
        for index in self._chance.sample(range(len(self._of)), len(self._of)):
            pools[self._of[index]].append(index)
        self._pools = dict(pools)


def _bell(deviations: float) -> float:
    return math.exp(-0.5 * deviations**2)
