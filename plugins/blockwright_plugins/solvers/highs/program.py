"""From a problem to variables and rows: plain numbers, before HiGHS sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from blockwright.problem import Joined, Problem
from blockwright_plugins.solvers.highs.amounts import Amount, amounts_of
from blockwright_plugins.solvers.highs.columns import Column, Variables, variables_of
from blockwright_plugins.solvers.highs.joining import Joining
from blockwright_plugins.solvers.highs.rows import Row


@dataclass(frozen=True)
class Program:
    """min Σ score · variable over its rows; the `impossible` variables are 0 in every child."""

    variables: Variables
    rows: tuple[Row, ...]
    impossible: frozenset[int]
    joining: Joining

    def child(self, values: Sequence[float]) -> dict[str, str]:
        """From the values of all variables to a variant a sub-block."""
        taken = [column for column, value in zip(self.variables.columns, values, strict=False) if value > 0.5]
        return {name: column.variant for column in taken for name in column.sub_blocks}

    def joined(self, values: Sequence[float]) -> Joined:
        """The joins of that child."""
        return self.joining.joined(values)

    def all_but(self, variants: Mapping[str, str], joined: Joined = ()) -> Row:
        """The row that no child but this one breaks."""
        same, (joins, joined_count) = _same(self.variables.columns, variants), self.joining.all_but(joined)
        return Row(-math.inf, sum(same.values()) + joined_count - 1, same | joins)


def program_of(problem: Problem) -> Program:
    """Every rule of the problem; a unit without any column makes it infeasible."""
    variables = variables_of(problem)
    amounts, joining = amounts_of(problem, variables), Joining(problem, variables)
    rows = (*_choice_rows(variables), *_link_rows(variables), *map(_amount_row, amounts))
    impossible = frozenset().union(*(amount.impossible for amount in amounts))
    return Program(variables, (*rows, *_distance_rows(problem, variables), *joining.rows()), impossible, joining)


def _choice_rows(variables: Variables) -> Iterator[Row]:
    for unit in variables.units:
        yield Row(1.0, 1.0, dict.fromkeys(unit, 1.0))


def _link_rows(variables: Variables) -> Iterator[Row]:
    """z ≤ x_i and z ≥ Σ x_i − (k − 1), both, since scores and costs have either sign."""
    for number, link in enumerate(variables.links, start=len(variables.columns)):
        for column in link.columns:
            yield Row(-math.inf, 0.0, {column: -1.0, number: 1.0})
        yield Row(-math.inf, len(link.columns) - 1.0, {**dict.fromkeys(link.columns, 1.0), number: -1.0})


def _amount_row(amount: Amount) -> Row:
    scaled = amount.scaled
    return Row(-math.inf, scaled.room, scaled.extra)


def _distance_rows(problem: Problem, variables: Variables) -> Iterator[Row]:
    sub_blocks, ball = len(problem.choices), problem.ball
    if ball is not None:
        yield Row(sub_blocks - ball.radius, math.inf, _same(variables.columns, ball.centre))
    for apart in problem.apart:
        yield Row(-math.inf, sub_blocks - apart.distance, _same(variables.columns, apart.solution))


def _same(columns: Sequence[Column], variants: Mapping[str, str]) -> dict[int, float]:
    """For each column that agrees with another child, in how many sub-blocks it does."""
    counts = (sum(variants.get(name) == column.variant for name in column.sub_blocks) for column in columns)
    return {number: float(count) for number, count in enumerate(counts) if count}
