"""The front of the stored scores: the least that sums promise to lose at each size, and where the chosen child stands.

Sub-block by sub-block the lower convex hull of (cost, score) is walked, the cheapest loss for a saving first: all its
corners are optima of the sums at their own cost (Lagrange multipliers; Everett, Operations Research 11(3), 1963).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from blockwright.costs import Scenario
from blockwright.report.reading import ScoreTable
from blockwright.report.records import BlockPrice, Costs, Evaluation
from blockwright.report.ticks import lines_across, round_ticks

_WIDTH, _HEIGHT = 640, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 10, 28  # pixels: margins
_ROOM = 1.6  # how much higher than the highest mark the front is drawn

SUMMED, MEASURED = "chosen, sum of scores", "chosen, measured on unseen text"  # the marks
Point = tuple[float, float]  # cost (as a share of the parent's, or absolute), and loss in nats per token
TITLES = {
    "params": "parameters",
    "memory": "memory",
    "decode_ms": "time of a decoding step",
    "prefill_ms": "time of a prompt",
}


@dataclass(frozen=True)
class Front:
    """Shares of the parent's resource and summed losses, costly children first; `marks` are by name."""

    resource: str
    points: tuple[Point, ...]
    marks: Mapping[str, Point]

    @property
    def title(self) -> str:
        return TITLES[self.resource]


def front_of(
    costs: Costs | None, scores: ScoreTable, chosen: Mapping[str, str], evaluation: Evaluation | None
) -> Front | None:
    """Of the budget's first resource in the recipe's own scenario, else of parameters; None before the search."""
    if costs is None or not chosen or any(name not in scores for name in chosen):
        return None
    resource = next((name for name in costs.limits if name in TITLES), "params")
    main, scenario = costs.main, costs.main.scenario
    blocks = {
        name: {label: (_size(price, resource, scenario), scores[name][label]) for label, price in prices.items()}
        for name, prices in main.blocks.items()
    }
    fixed, whole = _size(main.fixed, resource, scenario), costs.parent.get(resource, 0.0)
    if whole <= 0:
        return None
    cost = (fixed + sum(blocks[name][label][0] for name, label in chosen.items())) / whole
    marks = {SUMMED: (cost, sum(blocks[name][label][1] for name, label in chosen.items()))}
    if evaluation is not None:
        marks[MEASURED] = (cost, evaluation.built.kl_nats_per_token)
    corners = [((fixed + size) / whole, loss) for size, loss in walk([list(one.values()) for one in blocks.values()])]
    return Front(resource, tuple(corners), marks)


def walk(blocks: Sequence[Sequence[Point]]) -> Iterator[Point]:
    """Summed cost and loss of the least-losing child, and of each next corner down to the cheapest one."""
    hulls = [hull(points) for points in blocks]
    cost, loss = (sum(one[0][place] for one in hulls) for place in (0, 1))
    yield cost, loss
    steps = [(before[0] - after[0], after[1] - before[1]) for one in hulls for before, after in pairwise(one)]
    for saved, lost in sorted(steps, key=lambda step: step[1] / step[0]):
        cost, loss = cost - saved, loss + lost
        yield cost, loss


def hull(points: Sequence[Point]) -> list[Point]:
    """The lower convex hull from the least loss on towards less cost."""
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (-point[0], point[1])):
        while found and point[1] <= found[-1][1]:  # less cost for no more loss
            found.pop()
        if found and point[0] == found[-1][0]:
            continue
        while len(found) > 1 and _slope(found[-2], found[-1]) >= _slope(found[-1], point):
            found.pop()
        found.append(point)
    return found


def front_chart(front: Front | None) -> Markup:
    """Nothing to draw of a front that is one child."""
    if front is None or len(front.points) < 2:
        return Markup("")
    highest = max(loss for _, loss in front.marks.values()) * _ROOM or max(loss for _, loss in front.points)
    shown = [point for point in front.points if point[1] <= highest]
    axes = _Axes(min(cost for cost, _ in [*shown, *front.marks.values()]), 1.0, highest or 1.0)
    opening = Markup('<svg class="rounds front" viewBox="0 0 {} {}" role="img"><title>{}</title>')
    title = f"The best sums of scores by {front.title}, and the chosen child"
    places = " ".join(f"{axes.x(cost):.1f},{axes.y(loss):.1f}" for cost, loss in shown)
    line = Markup('<polyline class="line" points="{}"/>').format(places)
    marks = [_mark(name, point, axes) for name, point in front.marks.items()]
    return Markup("\n").join([opening.format(_WIDTH, _HEIGHT, title), *_grid(axes), line, *marks, Markup("</svg>")])


@dataclass(frozen=True)
class _Axes:
    least: float
    greatest: float
    highest: float

    def x(self, share: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (share - self.least) / ((self.greatest - self.least) or 1.0)

    def y(self, loss: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - loss / self.highest)


def _grid(axes: _Axes) -> Iterator[Markup]:
    yield from lines_across(0.0, axes.highest, axes.y, _LEFT, _WIDTH - _RIGHT)
    if axes.greatest > axes.least:
        for share in round_ticks(100 * axes.least, 100 * axes.greatest):
            x = axes.x(share / 100)
            yield Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{:g} %</text>').format(
                x, _HEIGHT - 8, round(share, 6)
            )


def _mark(name: str, point: Point, axes: _Axes) -> Markup:
    cost, loss = point
    kind = "promised" if name == SUMMED else "kept"
    words = f"{name}: {100 * cost:.1f} %, {loss:.4g} nats per token"
    return Markup('<g><title>{}</title><circle class="{}" cx="{:.1f}" cy="{:.1f}" r="5"/></g>').format(
        words, kind, axes.x(cost), axes.y(loss)
    )


def _slope(before: Point, after: Point) -> float:
    return (after[1] - before[1]) / (before[0] - after[0])


def _size(price: BlockPrice, resource: str, scenario: Scenario) -> float:
    if resource == "params":
        return price.parameters
    if resource == "memory":
        return price.weight_bytes + price.kv_bytes_per_token * scenario.kv_tokens
    return (price.decode_ms if resource == "decode_ms" else price.prefill_ms) or 0.0
