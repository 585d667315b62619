"""The variables of a problem: binary columns, of which one a unit is taken, the links that joints make of them, and
what joins need."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from blockwright.problem import Choice, Joint, Problem


@dataclass(frozen=True)
class Column:
    """One binary variable: these sub-blocks, one or a group, all take their variant of this label."""

    sub_blocks: tuple[str, ...]
    variant: str
    score: float
    costs: Mapping[str, float]
    is_whole: ClassVar[bool] = True


@dataclass(frozen=True)
class Link:
    """One variable that is 1 where all these columns are, with what that adds; whole where they are."""

    columns: tuple[int, ...]
    score: float
    costs: Mapping[str, float]
    is_whole: ClassVar[bool] = False


@dataclass(frozen=True)
class Flag:
    """One variable between 0 and 1 that is about joins, with what it adds; see `joining`."""

    is_whole: bool
    score: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Variables:
    """Columns, links and flags are numbered in this order; of the columns of a unit, by their numbers, one is taken."""

    columns: tuple[Column, ...]
    units: tuple[tuple[int, ...], ...]
    links: tuple[Link, ...]
    flags: tuple[Flag, ...] = ()

    @cached_property
    def parts(self) -> tuple[Column | Link | Flag, ...]:
        return (*self.columns, *self.links, *self.flags)

    @cached_property
    def columns_of(self) -> Mapping[str, Mapping[str, int]]:
        """Numbers of columns by sub-block and variant."""
        numbers: dict[str, dict[str, int]] = {}
        for number, column in enumerate(self.columns):
            for name in column.sub_blocks:
                numbers.setdefault(name, {})[column.variant] = number
        return numbers

    @property
    def first_join(self) -> int:
        return len(self.columns) + len(self.links)


def variables_of(problem: Problem) -> Variables:
    """Groups become one unit, forbidden choices no columns, joints on one column a part of it."""
    columns: list[Column] = []
    units: list[tuple[int, ...]] = []
    for sub_blocks in _units(problem):
        fresh = _columns(problem, sub_blocks)
        units.append(tuple(range(len(columns), len(columns) + len(fresh))))
        columns += fresh
    links = _links(problem, columns)
    merged = [_with_links(number, column, links) for number, column in enumerate(columns)]
    spanning = tuple(link for link in links if len(link.columns) > 1)
    return Variables(tuple(merged), tuple(units), spanning, tuple(_flags(problem)))


def _flags(problem: Problem) -> Iterator[Flag]:
    """Of all joins whether they are made, of all what that adds, then the widths where they have a limit."""
    yield from (Flag(is_whole=True) for _ in problem.joins)
    yield from (Flag(False, join.score, join.costs) for join in problem.joins)
    if problem.join_rule.max_width is not None:
        ends = {name for join in problem.joins for name in (join.left, join.right)}
        yield from (Flag(is_whole=False) for _ in ends)


def _units(problem: Problem) -> list[tuple[str, ...]]:
    """The sub-blocks that must agree, groups that share one joined, in the order of the problem."""
    unit_of = {name: frozenset([name]) for name in problem.choices}
    for group in problem.groups:
        joined = frozenset().union(*(unit_of[name] for name in group))
        unit_of.update(dict.fromkeys(joined, joined))
    return [tuple(name for name in problem.choices if name in unit) for unit in dict.fromkeys(unit_of.values())]


def _columns(problem: Problem, sub_blocks: Sequence[str]) -> list[Column]:
    """One a label that all of the unit's sub-blocks may take."""
    offers = [_may_take(problem, name) for name in sub_blocks]
    labels = [label for label in offers[0] if all(label in offer for offer in offers)]
    return [_column(sub_blocks, [offer[label] for offer in offers]) for label in labels]


def _may_take(problem: Problem, name: str) -> dict[str, Choice]:
    forced, forbidden = problem.forced.get(name), problem.forbidden.get(name, frozenset())
    return {
        choice.variant: choice
        for choice in problem.choices[name]
        if choice.variant not in forbidden and forced in (None, choice.variant)
    }


def _column(sub_blocks: Sequence[str], choices: Sequence[Choice]) -> Column:
    score = math.fsum(choice.score for choice in choices)
    return Column(tuple(sub_blocks), choices[0].variant, score, _summed(choice.costs for choice in choices))


def _links(problem: Problem, columns: Sequence[Column]) -> list[Link]:
    """One a set of columns; none for a joint that no child can take, its columns missing or excluding each other."""
    numbers = {(name, column.variant): at for at, column in enumerate(columns) for name in column.sub_blocks}
    joined: dict[tuple[int, ...], list[Joint]] = {}
    for joint in problem.joints:
        members = [numbers.get(member, -1) for member in joint.members.items()]
        together = tuple(sorted(set(members)))
        if -1 not in together and not _exclude_each_other(columns, together):
            joined.setdefault(together, []).append(joint)
    return [_link(together, joints) for together, joints in joined.items()]


def _exclude_each_other(columns: Sequence[Column], together: Sequence[int]) -> bool:
    return len({columns[at].sub_blocks for at in together}) < len(together)


def _link(columns: tuple[int, ...], joints: Sequence[Joint]) -> Link:
    return Link(columns, math.fsum(joint.score for joint in joints), _summed(joint.costs for joint in joints))


def _with_links(number: int, column: Column, links: Iterable[Link]) -> Column:
    """With what the links that ask for nothing but this column add."""
    own = [link for link in links if link.columns == (number,)]
    if not own:
        return column
    score = math.fsum([column.score, *(link.score for link in own)])
    return replace(column, score=score, costs=_summed([column.costs, *(link.costs for link in own)]))


def _summed(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    listed = list(parts)
    resources = dict.fromkeys(resource for part in listed for resource in part)
    return {resource: math.fsum(part.get(resource, 0.0) for part in listed) for resource in resources}
