"""The strip as a self-contained HTML fragment: bars as high as the share kept, a tooltip a cell, no script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from blockwright.pictures.strip import LOOKS, Cell, Look, Strip, first_to_last
from blockwright.variants import SLOTS, Slot, SubBlock

_COLOURS: dict[Slot, str] = {"attention": "#2f74c0", "ffn": "#c8681c"}
_LEFT, _TOP, _GAP, _HEIGHT = 72, 18, 20, 40  # pixels: margins, between the rows, a cell
_LEAST_WIDTH = 640
_LEGEND_STEP = 112
_STYLE = (
    ".bw-strip text{font:11px system-ui,sans-serif;fill:currentColor}"
    ".bw-strip .box{fill:none;stroke:currentColor;stroke-opacity:.35}"
    ".bw-strip .gone{stroke-dasharray:2 2;fill:none;stroke:currentColor;stroke-opacity:.35}"
    ".bw-strip .run{stroke:currentColor;stroke-width:2}"
    ".bw-strip .joined{stroke:currentColor;stroke-width:2;fill:none}"
    ".bw-strip g:hover .box,.bw-strip g:hover .gone{stroke-opacity:1;stroke-width:2}"
)


@dataclass(frozen=True)
class _Page:
    """Where things go, for so many layers."""

    layers: int

    @property
    def step(self) -> float:
        """Pixels a layer, with the gap after it."""
        return min(22.0, max(7.0, 900 / max(self.layers, 1)))

    @property
    def width(self) -> float:
        return max(_LEAST_WIDTH, _LEFT + self.step * self.layers + 8)

    @property
    def height(self) -> float:
        return self.legend + 26

    @property
    def legend(self) -> float:
        return self.y("ffn") + _HEIGHT + 32

    def x(self, layer: int) -> float:
        return _LEFT + self.step * layer

    def y(self, slot: Slot) -> float:
        return _TOP + SLOTS.index(slot) * (_HEIGHT + _GAP)


def strip_html(strip: Strip, title: str = "The child, layer by layer") -> str:
    """A `<figure>` for a page of its own or another's; all text is escaped, colours follow the page's text."""
    page = _Page(len(strip))
    size = f'width="{page.width:g}" height="{page.height:g}" viewBox="0 0 {page.width:g} {page.height:g}"'
    parts = [
        '<figure class="bw-strip">',
        f"<figcaption>{escape(title)}</figcaption>",
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" style="max-width:100%;height:auto">',
        f"<title>{escape(strip.summary)}</title>",
        f"<style>{_STYLE}</style>",
        *_patterns(),
        *_row_names(page),
        *(_group(cell, page) for slot in SLOTS for cell in strip.row(slot)),
        *_runs(strip, page),
        *(_bracket(run, page, page.y("ffn") + _HEIGHT + 4, "FFNs of layers {} run as one") for run in strip.fused),
        *(_bracket(run, page, _TOP - 4, "layers {} run side by side") for run in strip.parallel),
        *_ruler(page),
        *_legend(page),
        f"</svg><p>{escape(strip.summary)}.</p></figure>",
    ]
    return "\n".join(parts)


def _patterns() -> Iterator[str]:
    """Hatching for linear maps and dots for other kinds, so that colour is not needed to tell them."""
    yield "<defs>"
    for slot, colour in _COLOURS.items():
        yield (
            f'<pattern id="bw-linear-{slot}" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><path d="M0 0V5" stroke="{colour}" stroke-width="3"/></pattern>'
        )
        yield (
            f'<pattern id="bw-other-{slot}" width="5" height="5" patternUnits="userSpaceOnUse">'
            f'<circle cx="2.5" cy="2.5" r="1.7" fill="{colour}"/></pattern>'
        )
    yield "</defs>"


def _row_names(page: _Page) -> Iterator[str]:
    for slot in SLOTS:
        yield f'<text x="0" y="{page.y(slot) + _HEIGHT / 2 + 4:g}">{"FFN" if slot == "ffn" else slot}</text>'


def _group(cell: Cell, page: _Page) -> str:
    box = _box(cell, page.x(cell.sub_block.layer), page.y(cell.sub_block.slot), page.step - 2)
    return f"<g><title>{escape(cell.sentence)}</title>{box}</g>"


def _box(cell: Cell, x: float, y: float, width: float) -> str:
    """An outline as high as the parent's sub-block, filled from below as far as the share kept."""
    outline = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{_HEIGHT}"'
    if cell.look == "skipped":
        cross = f"M{x:g} {y + _HEIGHT:g}L{x + width:g} {y:g}"
        return f'<rect class="gone" {outline} pointer-events="all"/><path class="gone" d="{cross}"/>'
    filled = _HEIGHT * min(1.0, max(0.05, cell.share))
    bar = f'<rect x="{x:g}" y="{y + _HEIGHT - filled:.4g}" width="{width:g}" height="{filled:.4g}" {_fill(cell)}/>'
    return f'{bar}<rect class="box" {outline} pointer-events="all"/>'


def _fill(cell: Cell) -> str:
    slot = cell.sub_block.slot
    if cell.look in ("linear", "other"):
        return f'fill="url(#bw-{cell.look}-{slot})"'
    return f'fill="{_COLOURS[slot]}" fill-opacity="{0.35 + 0.65 * min(1.0, cell.share):.3g}"'


def _runs(strip: Strip, page: _Page) -> Iterator[str]:
    """A line under layers without attention, with words where there is room."""
    y = page.y("attention") + _HEIGHT + 5
    for run in strip.attention_free_runs:
        left, right = page.x(run.start), page.x(run.stop) - 2
        words = f"no attention {run.start}-{run.stop - 1}"
        yield f'<g><title>{words}</title><path class="run" d="M{left:g} {y:g}H{right:g}"/></g>'
        if right - left > 6 * len(words):
            yield f'<text x="{(left + right) / 2:g}" y="{y + 12:g}" text-anchor="middle">{words}</text>'


def _bracket(run: range, page: _Page, y: float, words: str) -> str:
    """From the first layer of a run to its last, its ends turned towards the cells."""
    left, right = page.x(run.start), page.x(run.stop) - 2
    end = y - 3 if y > _TOP else y + 3
    title = escape(words.format(first_to_last(run)))
    return f'<g><title>{title}</title><path class="joined" d="M{left:g} {end:g}V{y:g}H{right:g}V{end:g}"/></g>'


def _ruler(page: _Page) -> Iterator[str]:
    every = 10 if page.layers > 60 else 5 if page.layers > 12 else 1
    yield f'<text x="0" y="{page.y("ffn") + _HEIGHT + 14:g}">layer</text>'
    for layer in range(0, page.layers, every):
        middle = page.x(layer) + (page.step - 2) / 2
        yield f'<text x="{middle:g}" y="{page.y("ffn") + _HEIGHT + 14:g}" text-anchor="middle">{layer}</text>'


def _legend(page: _Page) -> Iterator[str]:
    """One small cell for each look, as an FFN's."""
    shares: dict[Look, float] = {"reduced": 0.5}
    labels: dict[Look, str] = {"kept": "keep", "reduced": "narrow", "linear": "linear", "skipped": "skip"}
    for place, (look, words) in enumerate(LOOKS.items()):
        cell = Cell(SubBlock(0, "ffn"), labels.get(look, look), shares.get(look, 1.0))
        yield f'<g transform="translate({_LEFT + place * _LEGEND_STEP} {page.legend:g}) scale(.5)">'
        yield f"{_box(cell, 0, 0, 30)}</g>"
        yield f'<text x="{_LEFT + place * _LEGEND_STEP + 20}" y="{page.legend + 14:g}">{words}</text>'
