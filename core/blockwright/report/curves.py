"""A stage's curves by what they measure: those of one unit share a chart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from blockwright.stages import Curve

HELD_BACK = "held-back"  # how the names of curves begin that have few points, each of many tokens
_WINDOWS = 24  # a curve is smoothed over as large a part of it
_UNIT = re.compile(r"(?P<name>.*\S)\s*\((?P<unit>[^()]+)\)")


@dataclass(frozen=True)
class NamedCurve:
    """At least one point, by rising steps."""

    name: str
    points: Curve

    @property
    def is_noisy(self) -> bool:
        """Whether its points scatter around a line, rather than being on it."""
        return not self.name.startswith(HELD_BACK) and len(self.points) >= 2 * _WINDOWS

    @property
    def line(self) -> Curve:
        """The points themselves, or the medians of a window around each, which no spike moves."""
        if not self.is_noisy:
            return self.points
        half = max(1, len(self.points) // _WINDOWS // 2)
        values = [value for _, value in self.points]
        windows = (values[max(0, place - half) : place + half + 1] for place in range(len(values)))
        return [(step, median(window)) for (step, _), window in zip(self.points, windows, strict=True)]

    @property
    def least(self) -> float:
        return min(value for _, value in self.points)


@dataclass(frozen=True)
class CurveGroup:
    """Curves of one unit; `unit` is the curve's own name where that tells none."""

    unit: str
    curves: tuple[NamedCurve, ...]

    @property
    def last_step(self) -> int:
        return max(curve.points[-1][0] for curve in self.curves)


def curve_groups(curves: Mapping[str, Curve]) -> tuple[CurveGroup, ...]:
    """In the order of the names; curves without points are left out."""
    groups: dict[str, list[NamedCurve]] = {}
    for written, points in sorted(curves.items()):
        if points:
            found = _UNIT.fullmatch(written)
            name, unit = (found["name"], found["unit"]) if found else (written, written)
            groups.setdefault(unit, []).append(NamedCurve(name, points))
    return tuple(CurveGroup(unit, tuple(found)) for unit, found in groups.items())
