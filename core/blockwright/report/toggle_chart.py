"""What a stage measured with thinking on and off, before and after it: a line of two marks for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from blockwright.report.ticks import round_ticks

_MEASURED = re.compile(r"(?P<measure>.+) with (?P<mode>on|off), (?P<moment>before|after)")
_WIDTH, _ROW = 640, 26
_LEFT, _RIGHT, _TOP, _BOTTOM = 190, 96, 6, 24  # pixels: margins


@dataclass(frozen=True)
class ToggleLine:
    """One measure in one mode of thinking."""

    measure: str
    mode: str
    before: float
    after: float

    @property
    def words(self) -> str:
        return f"{self.measure}, thinking {self.mode}"

    @property
    def names(self) -> tuple[str, ...]:
        """What the stage calls the two figures."""
        return tuple(f"{self.measure} with {self.mode}, {moment}" for moment in ("before", "after"))


def toggle_lines(figures: Mapping[str, float]) -> tuple[ToggleLine, ...]:
    """Of the figures called `MEASURE with on, before` and the like that have both moments, by measure, on first."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for name, value in figures.items():
        if measured := _MEASURED.fullmatch(name):
            found.setdefault((measured["measure"], measured["mode"]), {})[measured["moment"]] = value
    both = ((key, moments) for key, moments in found.items() if len(moments) == 2)
    lines = [ToggleLine(measure, mode, **moments) for (measure, mode), moments in both]
    return tuple(sorted(lines, key=lambda line: (line.measure, line.mode != "on")))


def toggle_chart(lines: Sequence[ToggleLine]) -> Markup:
    """Measures down, from zero (or the least value below it) to one (or the greatest above it) across."""
    values = [value for line in lines for value in (line.before, line.after)]
    axis = _Axis(min(0.0, *values), max(1.0, *values))
    height = _TOP + _ROW * len(lines) + _BOTTOM
    opening = Markup('<svg class="rounds toggle" viewBox="0 0 {} {}" role="img"><title>{}</title>')
    drawn = (part for place, line in enumerate(lines) for part in _line(line, _TOP + _ROW * (place + 0.5), axis))
    title = "Measures with thinking on and off, before and after the stage; a table follows"
    return Markup("\n").join([opening.format(_WIDTH, height, title), *_grid(axis, height), *drawn, Markup("</svg>")])


@dataclass(frozen=True)
class _Axis:
    least: float
    greatest: float

    def x(self, value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - self.least) / (self.greatest - self.least)


def _grid(axis: _Axis, height: int) -> Iterator[Markup]:
    for value in round_ticks(axis.least, axis.greatest):
        x = axis.x(value)
        line = Markup('<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>')
        yield line.format(x, _TOP, height - _BOTTOM)
        yield Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{:g}</text>').format(x, height - 8, round(value, 12))


def _line(line: ToggleLine, y: float, axis: _Axis) -> Iterator[Markup]:
    before, after = axis.x(line.before), axis.x(line.after)
    yield Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(_LEFT - 12, y + 4, line.words)
    stem = Markup('<line class="stem" x1="{:.1f}" x2="{:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    yield stem.format(before, after, y=y)
    yield Markup('<circle class="promised" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(before, y)
    yield Markup('<circle class="kept" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(after, y)
    told = Markup('<text x="{}" y="{:.1f}">{:.3g} → {:.3g}</text>')
    yield told.format(_WIDTH - _RIGHT + 14, y + 4, line.before, line.after)
