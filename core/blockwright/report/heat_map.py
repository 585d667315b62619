"""Scores as a picture: layers across, variants down, on a logarithmic scale that both slots share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from blockwright.report.heat_scale import Scale
from blockwright.report.reading import ScoreTable
from blockwright.report.records import Costs
from blockwright.variants import SLOTS, Slot, SubBlock

_LEFT, _TOP, _CELL = 104, 4, 17  # pixels: room for labels, above the first row, a row
_LABEL_LETTERS = 16


@dataclass(frozen=True)
class HeatMap:
    """One slot's scores; `labels` from the largest variant to the smallest."""

    slot: Slot
    layers: tuple[int, ...]
    labels: tuple[str, ...]
    scores: ScoreTable
    chosen: Mapping[str, str]
    scale: Scale
    unit: str

    @property
    def title(self) -> str:
        return "FFN" if self.slot == "ffn" else "Attention"

    def cells(self, label: str) -> Iterator[tuple[str, float, bool]]:
        """One row: sub-block, score, and whether the search chose it."""
        for layer in self.layers:
            name = str(SubBlock(layer, self.slot))
            if label in self.scores[name]:
                yield name, self.scores[name][label], self.chosen.get(name) == label

    @property
    def step(self) -> float:
        return min(26.0, max(7.0, 800 / (1 + self.layers[-1])))

    @property
    def width(self) -> float:
        return max(640.0, _LEFT + self.step * (1 + self.layers[-1]) + 4)

    @property
    def height(self) -> int:
        return _TOP + _CELL * len(self.labels) + 18

    def svg(self) -> Markup:
        """Cells take their colours from the page's classes h0 to h9."""
        opening = Markup('<svg class="heat" viewBox="0 0 {:g} {}" role="img"><title>{}</title>')
        title = f"{self.title}: scores of {len(self.labels)} variants in {len(self.layers)} layers; a table follows"
        rows = (self._row(label, _TOP + _CELL * place) for place, label in enumerate(self.labels))
        return Markup("\n").join(
            [opening.format(self.width, self.height, title), *rows, self._ruler(), Markup("</svg>")]
        )

    def _row(self, label: str, y: float) -> Markup:
        shown = label if len(label) <= _LABEL_LETTERS else f"{label[: _LABEL_LETTERS - 1]}…"
        name = Markup('<text x="{}" y="{:g}" text-anchor="end">{}<title>{}</title></text>')
        cells = (self._cell(name, y, label, score) for name, score, _ in self.cells(label))
        return Markup("").join([name.format(_LEFT - 8, y + 12, shown, label), *cells])

    def _cell(self, sub_block: str, y: float, label: str, score: float) -> Markup:
        x, width = _LEFT + self.step * SubBlock.parse(sub_block).layer, self.step - 1
        chosen = self.chosen.get(sub_block) == label
        words = f"{sub_block}, {label}: {score:.3g} {self.unit}{', chosen' if chosen else ''}"
        rect = Markup('<rect class="h{}" x="{:g}" y="{:g}" width="{:g}" height="{}"/>')
        mark = Markup('<circle class="chosen" cx="{:g}" cy="{:g}" r="{:g}"/>')
        drawn = rect.format(self.scale.step(score), x, y, width, _CELL - 1)
        if chosen:
            drawn += mark.format(x + width / 2, y + (_CELL - 1) / 2, min(3.5, width / 2 - 0.5))
        return Markup("<g><title>{}</title>{}</g>").format(words, drawn)

    def _ruler(self) -> Markup:
        every = 10 if self.layers[-1] > 60 else 5 if self.layers[-1] > 12 else 1
        y = _TOP + _CELL * len(self.labels) + 13
        text = Markup('<text x="{:g}" y="{}" text-anchor="middle">{}</text>')
        middle = _LEFT + (self.step - 1) / 2
        numbers = (text.format(middle + self.step * layer, y, layer) for layer in self.layers if layer % every == 0)
        return Markup("").join(
            [Markup('<text x="{}" y="{}" text-anchor="end">layer</text>').format(_LEFT - 8, y), *numbers]
        )


def heat_maps(
    table: ScoreTable, costs: Costs | None, chosen: Mapping[str, str], unit: str = "nats per token"
) -> tuple[HeatMap, ...]:
    """One for each slot that has scores; none where nothing loses anything."""
    scale = Scale.of(table)
    if scale is None:
        return ()
    names = {slot: [name for name in table if SubBlock.parse(name).slot == slot] for slot in SLOTS}
    return tuple(
        HeatMap(
            slot,
            tuple(sorted(SubBlock.parse(name).layer for name in found)),
            _largest_first({label for name in found for label in table[name]}, slot, costs),
            table,
            chosen,
            scale,
            unit,
        )
        for slot, found in names.items()
        if found
    )


def _largest_first(labels: set[str], slot: Slot, costs: Costs | None) -> tuple[str, ...]:
    """By parameters where the costs are known, else by name; `keep` is the largest."""
    sizes: dict[str, int] = {}
    for name, prices in costs.main.blocks.items() if costs else ():
        if SubBlock.parse(name).slot == slot:
            sizes.update({label: price.parameters for label, price in prices.items()})
    return tuple(sorted(labels, key=lambda label: (label != "keep", -sizes.get(label, 0), label)))
