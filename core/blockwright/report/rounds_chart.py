"""The search as a picture: what the sums promised of each child, what it came to, and what was kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from blockwright.report.records import SearchRound
from blockwright.report.ticks import lines_across

_WIDTH, _HEIGHT = 640, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 10, 28  # pixels: margins


@dataclass(frozen=True)
class _Axes:
    rounds: int
    least: float
    greatest: float

    @classmethod
    def of(cls, rounds: Sequence[SearchRound]) -> _Axes:
        values = [value for one in rounds for value in (one.predicted, one.realised)]
        room = (max(values) - min(values)) * 0.12 or abs(max(values)) * 0.1 or 1.0
        return cls(len(rounds), min(values) - room, max(values) + room)

    def x(self, number: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (number + 0.5) / self.rounds

    def y(self, value: float) -> float:
        height = _HEIGHT - _TOP - _BOTTOM
        return _TOP + height * (self.greatest - value) / (self.greatest - self.least)


def rounds_chart(rounds: Sequence[SearchRound]) -> Markup:
    """Nothing to draw of a single child."""
    if len(rounds) < 2:
        return Markup("")
    axes = _Axes.of(rounds)
    title = f"{len(rounds)} children of the search; a table follows"
    opening = Markup('<svg class="rounds" viewBox="0 0 {} {}" role="img"><title>{}</title>')
    parts = [_kept_line(rounds, axes), *(_round(number, one, axes) for number, one in enumerate(rounds))]
    return Markup("\n").join([opening.format(_WIDTH, _HEIGHT, title), *_grid(axes), *parts, Markup("</svg>")])


def _grid(axes: _Axes) -> Iterator[Markup]:
    yield from lines_across(axes.least, axes.greatest, axes.y, _LEFT, _WIDTH - _RIGHT)
    for number in range(axes.rounds):
        yield Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            axes.x(number), _HEIGHT - 8, number
        )


def _kept_line(rounds: Sequence[SearchRound], axes: _Axes) -> Markup:
    """Through the children that were kept."""
    points = (f"{axes.x(number):.1f},{axes.y(one.realised):.1f}" for number, one in enumerate(rounds) if one.kept)
    return Markup('<polyline class="line" points="{}"/>').format(" ".join(points))


def _round(number: int, one: SearchRound, axes: _Axes) -> Markup:
    x, predicted, realised = axes.x(number), axes.y(one.predicted), axes.y(one.realised)
    words = f"child {number} ({one.part}): predicted {one.predicted:.4g}, realised {one.realised:.4g}, "
    parts = [
        Markup("<g><title>{}</title>").format(words + ("kept" if one.kept else "undone")),
        Markup('<path class="stem" d="M{:.1f} {:.1f}V{:.1f}"/>').format(x, predicted, realised),
        Markup('<circle class="promised" cx="{:.1f}" cy="{:.1f}" r="4.5"/>').format(x, predicted),
        Markup('<circle class="kept" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(x, realised)
        if one.kept
        else Markup(
            '<path class="undone" d="M{0:.1f} {2:.1f}L{1:.1f} {3:.1f}M{0:.1f} {3:.1f}L{1:.1f} {2:.1f}"/>'
        ).format(x - 5, x + 5, realised - 5, realised + 5),
        Markup("</g>"),
    ]
    return Markup("").join(parts)
