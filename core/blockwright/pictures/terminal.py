"""The strip on a terminal: a column a layer, a row for attention and one for FFNs, plain without colour too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blockwright.pictures.strip import Cell, Strip
from blockwright.variants import SLOTS, Slot

if TYPE_CHECKING:
    from rich.text import Text

_SIGNS = {"kept": "█", "linear": "/", "skipped": "·", "other": "*"}
_LEGEND = "█ kept   1-9 tenths kept   / linear   · skipped   * another kind"
_COLOURS = {  # from little kept to all, by slot
    "attention": ("#9dc3e6", "#6ba3d6", "#3d7fbf", "#1f5fa8"),
    "ffn": ("#f2c7a0", "#e39c5c", "#cc7628", "#b4560f"),
}
_MARGIN = 10  # "attention "


def draw_strip(strip: Strip, width: int = 80) -> Text:
    """As many layers a line as `width` columns hold, in tens, each line under its ruler."""
    from rich.text import Text

    each = max(10, (width - _MARGIN) // 10 * 10)
    text = Text()
    for start in range(0, len(strip), each):
        layers = range(start, min(start + each, len(strip)))
        text.append(f"{'layer':<{_MARGIN}}{_ruler(layers)}\n", "dim")
        for slot in SLOTS:
            text.append(f"{slot:<{_MARGIN}}")
            for sign, style in _signs(strip, slot, layers):
                text.append(sign, style)
            text.append("\n")
        text.append(_runs(strip, layers))
        text.append(_brackets("fused", strip.fused, layers))
        text.append(_brackets("parallel", strip.parallel, layers))
    return text.append(f"{_LEGEND}\n{strip.summary}", "dim")


def sign(cell: Cell) -> str:
    """One character: █, 1 to 9, /, · or *."""
    if cell.look == "reduced":
        return str(min(9, max(1, round(10 * cell.share))))
    return _SIGNS[cell.look]


def _signs(strip: Strip, slot: Slot, layers: range) -> Iterator[tuple[str, str]]:
    for cell in strip.row(slot)[layers.start : layers.stop]:
        shade = min(3, max(0, int(4 * cell.share)))
        yield sign(cell), "dim" if cell.look == "skipped" else _COLOURS[slot][shade]


def _brackets(name: str, runs: tuple[range, ...], layers: range) -> str:
    """A line of brackets, each from the first layer of a run to its last; nothing where there are none."""
    ends = {end: sign for run in runs for end, sign in ((run[0], "└"), (run[-1], "┘"))}
    inside = {layer for run in runs for layer in run}
    marks = "".join(ends.get(layer, "─" if layer in inside else " ") for layer in layers).rstrip()
    return f"{name:<{_MARGIN}}{marks}\n" if marks else ""


def _ruler(layers: range) -> str:
    """The number of every tenth layer, at its column."""
    return "".join(f"{layer:<10}" for layer in layers[::10])[: max(len(layers), 1) + 2].rstrip()


def _runs(strip: Strip, layers: range) -> str:
    """A line under runs of layers without attention; nothing where there are none."""
    free = {layer for run in strip.attention_free_runs for layer in run}
    marks = "".join("‾" if layer in free else " " for layer in layers).rstrip()
    return f"{'no attn':<{_MARGIN}}{marks}\n" if marks else ""
