"""A child to start from, near the optimum, and the choices that no better child can make.

With a price λ ≥ 0 on every row, no child loses less than the bound Σ min (score + λ·usage) − λ·room, and one that makes
a choice loses at least its reduced cost more. The relaxation's duals are good prices. So partial children of small
summed reduced costs are kept, for each half of the units that are most open, and the best pair that fits is the start.
HiGHS' own heuristics solve dozens of smaller programs to find as good a one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blockwright.problem import Problem
from blockwright.solution_rules import broken_rules, total
from blockwright_plugins.solvers.highs.model import Settings, loaded, run, scale_of
from blockwright_plugins.solvers.highs.pricing import Floats, Priced, priced
from blockwright_plugins.solvers.highs.program import Program

FEWEST_COLUMNS = 200  # below which HiGHS needs no help
OPEN_UNITS, KEPT = 60, 1024  # units that may leave their cheapest choice, and partial children kept of each half
MARGIN = 1e-9  # of the start's size, by which a choice must be worse than the start to be hopeless

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Start:
    """A sound child as a value a column, a bound in the units of scores, and columns that no better child takes."""

    values: tuple[float, ...]
    bound: float
    hopeless: frozenset[int]


@dataclass(frozen=True)
class _Half:
    """Partial children, as changes from the cheapest choices: sums of reduced costs and of scores (children,), usage
    (children, rows), choices (children, units)."""

    reduced: Floats
    score: Floats
    usage: Floats
    taken: Numbers

    def with_unit(self, reduced: Floats, score: Floats, usage: Floats, numbers: Numbers) -> _Half:
        """Every partial child with every choice of one more unit; those of the least sums."""
        sums = (self.reduced[:, None] + reduced).ravel()
        kept = np.argsort(sums, kind="stable")[:KEPT]
        before, choice = np.divmod(kept, len(numbers))
        taken = np.concatenate([self.taken[before], numbers[choice][:, None]], axis=1)
        return _Half(sums[kept], self.score[before] + score[choice], self.usage[before] + usage[choice], taken)


def start_of(problem: Problem, program: Program, settings: Settings) -> Start | None:
    """None for small programs, those with links or joins, and where no sound child is found."""
    variables = program.variables
    if len(variables.columns) < FEWEST_COLUMNS or variables.links or variables.flags:
        return None
    duals = _duals(program, settings)
    if duals is None:
        return None
    costs = priced(program, duals)
    values = _near_optimal(program, costs)
    if values is None or broken_rules(problem, program.child(values)):
        return None
    objective, _ = total(problem, program.child(values))
    worse = objective - costs.bound + MARGIN * max(abs(objective), abs(costs.bound))
    return Start(tuple(values), costs.bound, frozenset(np.flatnonzero(costs.reduced > worse).tolist()))


def _duals(program: Program, settings: Settings) -> Sequence[float] | None:
    """A score a unit of each row, by the relaxation; None where it has no optimum in time."""
    import highspy

    relaxation = loaded(program, settings, whole=False)
    run(relaxation, settings.time_limit_s)
    if relaxation.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    scale = scale_of(program)
    return [dual / scale for dual in relaxation.getSolution().row_dual]


def _near_optimal(program: Program, costs: Priced) -> list[float] | None:
    """A value a column, of a child that keeps every row; None where none was found."""
    units = program.variables.units
    base = np.array([unit[int(np.argmin(costs.reduced[list(unit)]))] for unit in units])
    open_units = _open_units(units, costs)
    halves = [_half(units, open_units[side::2], base, costs) for side in (0, 1)]
    pair = _best_pair(halves[0], halves[1], costs.room - costs.usage[base].sum(axis=0))
    if pair is None:
        return None
    taken = base.copy()
    for side, half in enumerate(halves):
        taken[open_units[side::2]] = half.taken[pair[side]]
    values = np.zeros(len(costs.reduced))
    values[taken] = 1.0
    return [float(value) for value in values]


def _open_units(units: Sequence[Sequence[int]], costs: Priced) -> list[int]:
    """Those whose second choice is nearest to the first."""
    nearest = [np.sort(costs.reduced[list(unit)])[1] if len(unit) > 1 else np.inf for unit in units]
    return [int(unit) for unit in np.argsort(nearest, kind="stable")[:OPEN_UNITS]]


def _half(units: Sequence[Sequence[int]], at: Sequence[int], base: Numbers, costs: Priced) -> _Half:
    rows = costs.usage.shape[1]
    half = _Half(np.zeros(1), np.zeros(1), np.zeros((1, rows)), np.zeros((1, 0), np.int64))
    for unit in at:
        numbers = np.array(units[unit])
        numbers = numbers[np.isfinite(costs.reduced[numbers])]
        scores, usage = costs.score[numbers] - costs.score[base[unit]], costs.usage[numbers] - costs.usage[base[unit]]
        half = half.with_unit(costs.reduced[numbers], scores, usage, numbers)
    return half


def _best_pair(left: _Half, right: _Half, room: Floats) -> tuple[int, int] | None:
    """The partial children that fit together and have the least score."""
    scores = left.score[:, None] + right.score
    for row, most in enumerate(room):
        scores[left.usage[:, row, None] + right.usage[:, row] > most] = np.inf
    best = int(np.argmin(scores))
    if not np.isfinite(scores.flat[best]):
        return None
    return best // len(right.score), best % len(right.score)
