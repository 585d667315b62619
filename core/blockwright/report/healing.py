"""What each stage says that it gained, in an order that reads as it happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from blockwright.healing.block_distillation.settings import DISTILLED, REFIT
from blockwright.report.curves import CurveGroup, curve_groups
from blockwright.report.curves_chart import curves_chart
from blockwright.report.reading import DecisionTable
from blockwright.report.records import StageOutcome
from blockwright.report.toggle_chart import ToggleLine, toggle_chart, toggle_lines


@dataclass(frozen=True)
class Healing:
    """One stage: its figures from `before` to `after`, and its notes."""

    step: str
    outcome: StageOutcome
    kept_the_child: bool

    @property
    def figures(self) -> Mapping[str, float]:
        """`before` first and `after` last, whatever order the file has; without those that `toggle` has."""
        place = {"before": -1, "after": 1}
        told = [name for name in self.outcome.figures if name not in self._drawn]
        names = sorted(told, key=lambda name: (place.get(name, 0), name))
        return {name: self.outcome.figures[name] for name in names}

    @property
    def change(self) -> float | None:
        """From `before` to `after`, as a share of `before`; None where the stage has no such figures."""
        before, after = self.outcome.figures.get("before"), self.outcome.figures.get("after")
        return after / before - 1 if before and after is not None else None

    @cached_property
    def toggle(self) -> tuple[ToggleLine, ...]:
        """What was measured with thinking on and off, before and after; empty for a stage that does not."""
        return toggle_lines(self.outcome.figures)

    @property
    def _drawn(self) -> set[str]:
        return {name for line in self.toggle for name in line.names}

    @cached_property
    def toggle_chart(self) -> Markup:
        return toggle_chart(self.toggle)

    @cached_property
    def charts(self) -> tuple[tuple[CurveGroup, Markup], ...]:
        """What the stage drew while it was at work, a picture for each unit."""
        return tuple((group, curves_chart(group)) for group in curve_groups(self.outcome.curves))


@dataclass(frozen=True)
class ChannelChoice:
    """The chosen child's narrowed FFNs: what each way of choosing channels was expected to lose, summed.

    `taken` is the better way on each FFN, in nats per token on held-back text.
    """

    ways: Mapping[str, float]
    taken: float
    counts: Mapping[str, int]


def channel_choice(decisions: DecisionTable, chosen: Mapping[str, str]) -> ChannelChoice | None:
    """Of the variants that the search chose; None where none of them was a decision."""
    tables = [table[chosen[name]] for name, table in decisions.items() if chosen.get(name) in table]
    made = [choices for choices in map(_of_channels, tables) if choices]
    if not made:
        return None
    ways = sorted({way for losses in made for way in losses})
    best = [min(losses, key=lambda way: losses[way]) for losses in made]
    return ChannelChoice(
        {way: sum(losses.get(way, min(losses.values())) for losses in made) for way in ways},
        sum(min(losses.values()) for losses in made),
        {way: best.count(way) for way in ways},
    )


def _of_channels(losses: Mapping[str, float]) -> dict[str, float]:
    """Without block distillation and what it started from where there was nothing to choose."""
    return {way: loss for way, loss in losses.items() if way not in (REFIT, DISTILLED)}


@dataclass(frozen=True)
class TrainedVariants:
    """The chosen child's trained variants: what they were expected to lose as they were built, and trained; summed."""

    built: float
    trained: float
    count: int


def trained_variants(decisions: DecisionTable, chosen: Mapping[str, str]) -> TrainedVariants | None:
    """Of the variants that the search chose; None for a library that was not trained."""
    tables = [table[chosen[name]] for name, table in decisions.items() if chosen.get(name) in table]
    made = [losses for losses in tables if DISTILLED in losses]
    if not made:
        return None
    built = sum(min(loss for way, loss in losses.items() if way != DISTILLED) for losses in made)
    return TrainedVariants(built, sum(losses[DISTILLED] for losses in made), len(made))


def healings(stages: Mapping[str, StageOutcome]) -> tuple[Healing, ...]:
    """In the order of the steps."""
    return tuple(Healing(step, outcome, not outcome.child.startswith(f"{step}/")) for step, outcome in stages.items())
