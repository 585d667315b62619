"""A stage's training as a picture: noisy steps as points with a smooth line, held-back losses as marks on a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from blockwright.report.curves import CurveGroup, NamedCurve
from blockwright.report.ticks import lines_across, round_ticks
from blockwright.stages import Curve

COLOURS = 5  # the page's classes c0 to c4
_WIDTH, _HEIGHT = 640, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 12, 10, 42  # pixels: margins
_MOST_POINTS = 400  # that are drawn of a curve; more would lie on each other
_OUTLIERS = 0.02  # share of the points, above and below, that the scale need not reach


@dataclass(frozen=True)
class _Axes:
    last: int
    first: int
    least: float
    greatest: float

    @classmethod
    def of(cls, group: CurveGroup) -> _Axes:
        """All lines, and all points but a few outliers, which are drawn at the edge."""
        reached = [value for curve in group.curves for value in (*_core(curve.points), *_values(curve.line))]
        room = (max(reached) - min(reached)) * 0.05 or abs(max(reached)) * 0.1 or 1.0
        first = min(curve.points[0][0] for curve in group.curves)
        return cls(group.last_step, first, min(reached) - room, max(reached) + room)

    def x(self, step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (step - self.first) / max(1, self.last - self.first)

    def y(self, value: float) -> float:
        inside = min(self.greatest, max(self.least, value))
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.greatest - inside) / (self.greatest - self.least)


def curves_chart(group: CurveGroup) -> Markup:
    """Steps across, the group's unit upwards."""
    axes = _Axes.of(group)
    names = ", ".join(curve.name for curve in group.curves)
    opening = Markup('<svg class="curves" viewBox="0 0 {} {}" role="img"><title>{}</title>')
    title = f"{names} over {group.last_step} steps; a table follows"
    drawn = (part for place, curve in enumerate(group.curves) for part in _curve(curve, place % COLOURS, axes))
    parts = [opening.format(_WIDTH, _HEIGHT, title), *_grid(group.unit, axes), *drawn, Markup("</svg>")]
    return Markup("\n").join(parts)


def _grid(unit: str, axes: _Axes) -> Iterator[Markup]:
    yield from lines_across(axes.least, axes.greatest, axes.y, _LEFT, _WIDTH - _RIGHT)
    for step in _step_ticks(axes):
        text = Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{:,}</text>')
        yield text.format(axes.x(step), _HEIGHT - _BOTTOM + 16, step)
    middle = (_HEIGHT - _BOTTOM + _TOP) / 2
    yield Markup('<text x="{:.1f}" y="{}" text-anchor="middle">step</text>').format(
        (_WIDTH + _LEFT - _RIGHT) / 2, _HEIGHT - 8
    )
    turned = Markup('<text transform="translate(14 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>')
    yield turned.format(middle, unit)


def _step_ticks(axes: _Axes) -> list[int]:
    if axes.last == axes.first:
        return [axes.first]
    return sorted({round(step) for step in round_ticks(axes.first, axes.last) if step == round(step)})


def _curve(curve: NamedCurve, colour: int, axes: _Axes) -> Iterator[Markup]:
    if curve.is_noisy:
        for step, value in _thinned(curve.points):
            yield Markup('<circle class="raw c{}" cx="{:.1f}" cy="{:.1f}" r="1.6"/>').format(
                colour, axes.x(step), axes.y(value)
            )
    places = " ".join(f"{axes.x(step):.1f},{axes.y(value):.1f}" for step, value in _thinned(curve.line))
    yield Markup('<polyline class="c{}" points="{}"/>').format(colour, places)
    if not curve.is_noisy:
        for step, value in _thinned(curve.points):
            mark = Markup('<circle class="mark c{}" cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}</title></circle>')
            words = f"{curve.name} after step {step:,}: {value:.4g}"
            yield mark.format(colour, axes.x(step), axes.y(value), words)


def _thinned(points: Curve) -> Curve:
    """Every so many, and always the last."""
    every = -(-len(points) // _MOST_POINTS)
    return [*points[:-1:every], points[-1]]


def _values(points: Curve) -> list[float]:
    return [value for _, value in points]


def _core(points: Curve) -> Sequence[float]:
    """The values without the most extreme ones."""
    values, outside = sorted(_values(points)), int(len(points) * _OUTLIERS)
    return values[outside : len(values) - outside]
