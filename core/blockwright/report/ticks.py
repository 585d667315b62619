"""Round numbers for the axis of a chart."""

from __future__ import annotations

import math
from collections.abc import Iterator


def round_ticks(least: float, greatest: float) -> Iterator[float]:
    """Three to seven of them, between the two."""
    rough = (greatest - least) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    for multiple in range(math.ceil(least / step), math.floor(greatest / step) + 1):
        yield multiple * step
