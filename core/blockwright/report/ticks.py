"""Round numbers for the axis of a chart, and the lines across it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from markupsafe import Markup


def round_ticks(least: float, greatest: float) -> Iterator[float]:
    """Three to seven of them, between the two."""
    rough = (greatest - least) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    for multiple in range(math.ceil(least / step), math.floor(greatest / step) + 1):
        yield multiple * step


def lines_across(
    least: float, greatest: float, y: Callable[[float], float], left: float, right: float
) -> Iterator[Markup]:
    """A line from `left` to `right` (pixels) at each round value, at the height that `y` gives it, with its number."""
    for value in round_ticks(least, greatest):
        yield Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(left, y(value), right)
        yield Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:g}</text>').format(
            left - 8, y(value) + 4, round(value, 12)
        )
