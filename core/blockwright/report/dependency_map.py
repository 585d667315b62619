"""What transforms joined and why: dependencies as a triangle of cells, later parts across, earlier ones down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from blockwright.report.heat_scale import Scale
from blockwright.report.records import Dependencies, TransformOutcome

_LEFT, _TOP = 64, 4  # pixels: room for labels, above the first row
_LARGEST, _SMALLEST, _WIDTH = 26.0, 6.0, 640.0  # a cell's side; what all of them have room in


@dataclass(frozen=True)
class DependencyMap:
    """One matrix; pairs of parts that were joined have a dot."""

    table: Dependencies
    joined: frozenset[tuple[str, str]]
    scale: Scale

    @property
    def title(self) -> str:
        return f"{self.table.parts[0]} to {self.table.parts[-1]}"

    @property
    def side(self) -> float:
        return min(_LARGEST, max(_SMALLEST, _WIDTH / len(self.table.parts)))

    def pairs(self) -> Iterator[tuple[int, int, float]]:
        """Places and dependency of all pairs that were measured."""
        for i, row in enumerate(self.table.values):
            for j, value in enumerate(row):
                if i < j and value > 0:
                    yield i, j, value

    def svg(self) -> Markup:
        """Cells take their colours from the page's classes h1 to h9."""
        extent = self.side * len(self.table.parts)
        size = Markup('viewBox="0 0 {:g} {:g}" style="width:{:g}px;min-width:0;max-width:none"').format(
            _LEFT + extent + 4, _TOP + extent + 18, _LEFT + extent + 4
        )
        title = Markup("<title>Dependencies, {}: {} parts</title>").format(self.title, len(self.table.parts))
        opening = Markup('<svg class="heat" {} role="img">{}').format(size, title)
        cells = (self._cell(i, j, value) for i, j, value in self.pairs())
        return Markup("\n").join([opening, *cells, *self._labels(), Markup("</svg>")])

    def _cell(self, i: int, j: int, value: float) -> Markup:
        parts, side = self.table.parts, self.side
        pair = (parts[i], parts[j])
        x, y = _LEFT + side * j, _TOP + side * i
        words = f"{pair[1]} without {pair[0]}: {value:.3g}{', joined' if pair in self.joined else ''}"
        drawn = Markup('<rect class="h{}" x="{:g}" y="{:g}" width="{:g}" height="{:g}"/>').format(
            self.scale.step(value), x, y, side - 1, side - 1
        )
        if pair in self.joined:
            dot = Markup('<circle class="chosen" cx="{:g}" cy="{:g}" r="{:g}"/>')
            drawn += dot.format(x + side / 2 - 0.5, y + side / 2 - 0.5, min(3.5, side / 4))
        return Markup("<g><title>{}</title>{}</g>").format(words, drawn)

    def _labels(self) -> Iterator[Markup]:
        """Names at the rows and numbers under the columns, as many as there is room for."""
        every = -(-12 // int(self.side))
        text = Markup('<text x="{:g}" y="{:g}" text-anchor="{}">{}</text>')
        for place, part in enumerate(self.table.parts):
            if place % every == 0:
                middle = self.side * place + self.side / 2
                yield text.format(_LEFT - 6, _TOP + middle + 4, "end", part)
                below = _TOP + self.side * len(self.table.parts) + 13
                yield text.format(_LEFT + middle, below, "middle", part.rpartition(".")[2])


@dataclass(frozen=True)
class Joining:
    """One transform as the page shows it."""

    step: str
    outcome: TransformOutcome
    maps: tuple[DependencyMap, ...]

    @property
    def figures(self) -> Mapping[str, float]:
        """Each `before` beside its `after`, the KL first."""
        ends = {name: name.endswith("before") for name in self.outcome.figures}
        order = sorted(ends, key=lambda name: (name not in ("before", "after"), name.split()[:-1], not ends[name]))
        return {name: self.outcome.figures[name] for name in order}


def joinings(transforms: Mapping[str, TransformOutcome]) -> tuple[Joining, ...]:
    """In the order of the steps; the matrices of one transform share a scale."""
    return tuple(Joining(step, outcome, _maps(outcome)) for step, outcome in transforms.items())


def _maps(outcome: TransformOutcome) -> tuple[DependencyMap, ...]:
    rows = {f"{number}.{i}": {str(j): value for j, value in enumerate(row)} for number, i, row in _rows(outcome)}
    scale = Scale.of(rows)
    if scale is None:
        return ()
    pairs = frozenset((one, other) for parts in outcome.joined for one in parts for other in parts)
    return tuple(DependencyMap(table, pairs, scale) for table in outcome.dependencies)


def _rows(outcome: TransformOutcome) -> Iterator[tuple[int, int, tuple[float, ...]]]:
    for number, table in enumerate(outcome.dependencies):
        for i, row in enumerate(table.values):
            yield number, i, row
