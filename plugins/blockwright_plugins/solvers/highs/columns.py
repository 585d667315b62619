"""The variables of a problem: binary columns, of which one a unit is taken, and the links that joints make of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from blockwright.problem import Choice, Joint, Problem


@dataclass(frozen=True)
class Column:
    """One binary variable: these sub-blocks, one or a group, all take their variant of this label."""

    sub_blocks: tuple[str, ...]
    variant: str
    score: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Link:
    """One variable that is 1 where all these columns are, with what that adds."""

    columns: tuple[int, ...]
    score: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Variables:
    """Columns and links are numbered in this order; `units` are the numbers of the columns of which one is taken."""

    columns: tuple[Column, ...]
    units: tuple[tuple[int, ...], ...]
    links: tuple[Link, ...]

    @cached_property
    def parts(self) -> tuple[Column | Link, ...]:
        return (*self.columns, *self.links)


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
    return Variables(tuple(merged), tuple(units), tuple(link for link in links if len(link.columns) > 1))


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
