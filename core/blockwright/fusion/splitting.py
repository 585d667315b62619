"""Which members of a run are joined: as few FFNs as width and dependencies allow, and of those the least dependent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from blockwright.fusion.runs import Run

Dependencies = Sequence[Sequence[float]]  # M[i][j] of a run's members: how much j's output changes without i


@dataclass(frozen=True)
class SplitRule:
    """`max_width`: channels of one fused FFN. `threshold`: no two of its members may depend more on each other.

    `exclude_last` leaves a run's last FFN where it is: it reacts most to what comes before it (the paper, section 4).
    """

    max_width: int | None = None
    threshold: float | None = None
    exclude_last: bool = True


def split(run: Run, rule: SplitRule, dependencies: Dependencies | None = None) -> tuple[Run, ...]:
    """The parts of a run that are joined, each of two FFNs or more; what is in none of them stays as it is.

    Of all ways to cut the run into the fewest FFNs, the one whose parts hold the least summed dependency.
    """
    members = run.part(0, len(run) - rule.exclude_last)
    inside = _inside(len(members), dependencies)
    best: list[tuple[int, float, int]] = [(0, 0.0, 0)]  # up to each member: FFNs, dependency, where the last begins
    for stop in range(1, len(members) + 1):
        starts = [start for start in range(stop) if _may_join(members.part(start, stop), start, rule, dependencies)]
        ways = ((best[start][0] + 1, best[start][1] + inside[start][stop], start) for start in starts)
        best.append(min(ways))
    return tuple(members.part(*ends) for ends in pairwise(_cuts(best)) if ends[1] - ends[0] > 1)


def _cuts(best: Sequence[tuple[int, float, int]]) -> list[int]:
    """Where the parts begin and end, read backwards from the last."""
    cuts = [len(best) - 1]
    while cuts[0] > 0:
        cuts.insert(0, best[cuts[0]][2])
    return cuts


def _may_join(part: Run, start: int, rule: SplitRule, dependencies: Dependencies | None) -> bool:
    """A single FFN always stands."""
    if len(part) == 1:
        return True
    if part.width > (rule.max_width or math.inf):
        return False
    if rule.threshold is None or dependencies is None:
        return True
    places = range(start, start + len(part))
    return all(dependencies[i][j] <= rule.threshold for i in places for j in places if i < j)


def _inside(count: int, dependencies: Dependencies | None) -> list[list[float]]:
    """Summed dependency of the members from i to before j, by i and j."""
    sums = [[0.0] * (count + 1) for _ in range(count + 1)]
    for start in range(count):
        for stop in range(start + 1, count + 1):
            added = sum(dependencies[i][stop - 1] for i in range(start, stop - 1)) if dependencies else 0.0
            sums[start][stop] = sums[start][stop - 1] + added
    return sums
