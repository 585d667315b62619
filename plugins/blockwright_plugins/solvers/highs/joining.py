"""Joins as variables and rows: y (the two FFNs are one), z (which adds its score), w (how wide the FFN is up to there).

An FFN that is skipped lies inside of a run for nothing: z is y where the right FFN is there. Widths add up along a run
exactly: w_right ≥ w_left + width_right − W·(1 − y) and width ≤ w ≤ W, in shares of W.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from blockwright.join_rules import open_to, there
from blockwright.problem import Join, Joined, Problem
from blockwright_plugins.solvers.highs.columns import Variables
from blockwright_plugins.solvers.highs.rows import Row, taking


@dataclass(frozen=True)
class Joining:
    """The numbers of the variables that a problem's joins have: y and z by the place of the join, w by FFN."""

    problem: Problem
    variables: Variables

    def joined(self, values: Sequence[float]) -> Joined:
        """The joins that are made, from the values of all variables."""
        made = [join for at, join in enumerate(self.problem.joins) if values[self.made(at)] > 0.5]
        return tuple((join.left, join.right) for join in made)

    def made(self, place: int) -> int:
        return self.variables.first_join + place

    def counted(self, place: int) -> int:
        return self.made(place) + len(self.problem.joins)

    @property
    def widths(self) -> dict[str, int]:
        first = self.counted(len(self.problem.joins))
        return {name: first + at for at, name in enumerate(ffns(self.problem))}

    def rows(self) -> Iterator[Row]:
        for place, join in enumerate(self.problem.joins):
            yield from self._openness(place, join)
            yield from self._beginning(place, join)
            yield from self._counting(place, join)
            yield from self._following(place, join)
        yield from self._widening()

    def all_but(self, joined: Joined) -> tuple[dict[int, float], int]:
        """Terms that sum to this number for these joins alone, and to less for all others."""
        places = enumerate(self.problem.joins)
        signs = {self.made(at): 1.0 if (join.left, join.right) in joined else -1.0 for at, join in places}
        return signs, len(joined)

    def _openness(self, place: int, join: Join) -> Iterator[Row]:
        rule = self.problem.join_rule
        for name, labels in open_to(rule, join, rule.max_width).items():
            yield self._only_if(place, taking(self.variables, name, labels))

    def _beginning(self, place: int, join: Join) -> Iterator[Row]:
        """y_L ≤ y_{L−1} + the left FFN is there."""
        before = [self.made(at) for at, other in enumerate(self.problem.joins) if other.right == join.left]
        yield self._only_if(place, self._is_there(join.left) | dict.fromkeys(before, 1.0))

    def _counting(self, place: int, join: Join) -> Iterator[Row]:
        """z = y · the right FFN is there; both ways, since scores and costs have either sign."""
        made, counted, is_there = self.made(place), self.counted(place), self._is_there(join.right)
        yield Row(-math.inf, 0.0, {counted: 1.0, made: -1.0})
        yield Row(-math.inf, 0.0, {counted: 1.0} | _negated(is_there))
        yield Row(-math.inf, 1.0, is_there | {made: 1.0, counted: -1.0})

    def _following(self, place: int, join: Join) -> Iterator[Row]:
        """The last FFN of a run excluded: one more could be joined, and is there or joined to one that is."""
        rule = self.problem.join_rule
        if not rule.exclude_last:
            return
        at, following = next(
            ((at, other) for at, other in enumerate(self.problem.joins) if other.left == join.right), (0, None)
        )
        if following is None:
            yield self._only_if(place, {})
            return
        for name, labels in open_to(rule, following).items():
            yield self._only_if(place, taking(self.variables, name, labels))
        yield self._only_if(place, self._is_there(following.right) | {self.made(at): 1.0})

    def _widening(self) -> Iterator[Row]:
        most, ends = self.problem.join_rule.max_width, self.widths
        if most is None:
            return
        for name, end in ends.items():
            yield Row(-math.inf, 0.0, self._shares(name, most) | {end: -1.0})
        for place, join in enumerate(self.problem.joins):
            grown = self._shares(join.right, most) | {ends[join.left]: 1.0, ends[join.right]: -1.0}
            yield Row(-math.inf, 1.0, grown | {self.made(place): 1.0})

    def _shares(self, name: str, most: int) -> dict[int, float]:
        """Widths as shares of the most, a half over it, so that rounding cannot matter."""
        widths = self.problem.join_rule.widths.get(name, {})
        columns = self.variables.columns_of.get(name, {})
        return {at: min(widths[label], most) / (most + 0.5) for label, at in columns.items() if widths.get(label)}

    def _is_there(self, name: str) -> dict[int, float]:
        return taking(self.variables, name, there(self.problem.join_rule, name))

    def _only_if(self, place: int, terms: Mapping[int, float]) -> Row:
        return Row(-math.inf, 0.0, {self.made(place): 1.0} | _negated(terms))


def ffns(problem: Problem) -> list[str]:
    """All that joins name, in their order."""
    return list(dict.fromkeys(name for join in problem.joins for name in (join.left, join.right)))


def _negated(terms: Mapping[int, float]) -> dict[int, float]:
    return {number: -value for number, value in terms.items()}
