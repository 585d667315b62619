"""A program with a price on every row: reduced costs and the bound that holds for any prices (Lagrange)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blockwright_plugins.solvers.highs.program import Program
from blockwright_plugins.solvers.highs.rows import Row

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Priced:
    """By column: score, usage (columns, rows) of rows as upper limits with this room (rows,), reduced cost above the
    least of the unit, infinite for what is impossible. `bound` is what every child loses at least."""

    score: Floats
    usage: Floats
    room: Floats
    reduced: Floats
    bound: float


def priced(program: Program, duals: Sequence[float]) -> Priced:
    """Any duals give a right bound, since prices are cut off at 0; those of the relaxation give the best."""
    rows, prices = _as_upper_limits(program, duals)
    columns = program.variables.columns
    score, usage = np.array([column.score for column in columns]), np.zeros((len(columns), len(rows)))
    for at, row in enumerate(rows):
        usage[list(row.terms), at] = list(row.terms.values())
    room = np.array([row.high for row in rows])
    reduced = score + usage @ prices
    reduced[list(program.impossible)] = np.inf
    least = np.array([reduced[list(unit)].min() for unit in program.variables.units])
    for unit, start in zip(program.variables.units, least, strict=True):
        reduced[list(unit)] -= start
    return Priced(score, usage, room, reduced, float(math.fsum(least) - room @ prices))


def _as_upper_limits(program: Program, duals: Sequence[float]) -> tuple[list[Row], Floats]:
    """All but the choice rows, which come first; HiGHS' dual of an upper limit is negative."""
    first = len(program.variables.units)
    both = list(zip(program.rows[first:], duals[first:], strict=True))
    upper = [(row, -dual) for row, dual in both if row.high < math.inf]
    lower = [(_negated(row), dual) for row, dual in both if row.low > -math.inf]
    rows = [row for row, _ in (*upper, *lower)]
    return rows, np.array([max(0.0, price) for _, price in (*upper, *lower)])


def _negated(row: Row) -> Row:
    return Row(-row.high, -row.low, {number: -value for number, value in row.terms.items()})
