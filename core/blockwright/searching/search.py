"""The search: solve on scores, then look at real children, keeping only what pays on tokens that judge.

Scores of single replacements add up to too little, since replacements meet each other. So, each as it is asked for:
several optima that differ are assembled and the best is taken; so are the children that other solvers would choose; and
every variant is scored again as a change of the best child, and the solver looks for a better one within a Hamming
ball. A round whose children are not truly better is undone, and the ball shrinks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, field_validator

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.problem import Ball, Choice, Infeasible, Problem, Solution, Solver, refuse_unsupported
from blockwright.searching.agreements import Agreement
from blockwright.searching.batches import Tried
from blockwright.searching.children import Children, Labels, SearchContext
from blockwright.searching.diverse import solve_many
from blockwright.searching.fusing import Fusion, walkers
from blockwright.searching.realising import RealisingSolver
from blockwright.solution_rules import differences, total
from blockwright.soundness import refuse_problem


class SearchSettings(BaseModel):
    """The recipe's `search` section; each part can be switched off.

    `children`: how many optima, at least `distance` sub-blocks apart, are assembled of every problem that is solved;
    1 trusts the sums. `starts`: other solvers whose children are looked at too. `rounds`: how often to score again
    around the best child, within a ball of `radius` sub-blocks that halves when a round does not pay; 0 stops before.
    `tokens`: how many of the held-back tokens judge children; all when it is not given. `batches`: batch sizes to
    choose from in the recipe's own scenario; relative limits stay those against the parent at the scenario's batch.
    `agree`: layers that must take the same variant. `fusion`: whether FFNs that an attention no longer parts may become
    one; `post` chooses the variants first and then what to join, `joint` chooses both at once and looks at the children
    of `post` too, at twice the price. The transform with `joins: search` makes what is chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    children: PositiveInt = 3
    distance: PositiveInt = 6
    starts: tuple[str, ...] = ()
    rounds: NonNegativeInt = 6
    radius: PositiveInt = 24
    samples: PositiveInt = 2
    tokens: PositiveInt | None = None
    batches: tuple[PositiveInt, ...] = ()
    agree: tuple[Agreement, ...] = ()
    fusion: Fusion = "off"

    @field_validator("fusion", mode="before")
    @classmethod
    def _is_a_word(cls, written: object) -> object:
        """YAML reads a bare `off` as false."""
        return "off" if written is False else written


@dataclass(frozen=True)
class Round:
    """One child that was assembled: by which part of the search, the ball's radius, how many sub-blocks differ from the
    best child before it, the KL that sums predicted and that it realised, and whether it became the best."""

    part: str
    radius: int
    changed: int
    predicted: float
    realised: float
    kept: bool


@dataclass(frozen=True)
class SearchResult:
    """The chosen child. `predicted` is its sum of single-replacement scores, `realised` its KL on the judging tokens,
    None where it was not put together.

    `gains` says, in nats per token, what each part of the search took off the KL of the first solution. `batch` and
    `batches` are set where the search had batch sizes to choose from.
    """

    solution: Solution
    predicted: float
    realised: float | None
    rounds: tuple[Round, ...]
    tokens: int
    batch: int | None = None
    batches: tuple[Tried, ...] = ()

    @property
    def gains(self) -> dict[str, float]:
        gains: dict[str, float] = {}
        best = self.rounds[0].realised if self.rounds else 0.0
        for one in self.rounds[1:]:
            gained = max(0.0, best - one.realised) if one.kept else 0.0
            gains[one.part] = gains.get(one.part, 0.0) + gained
            best -= gained
        return gains

    def to_dict(self) -> dict[str, object]:
        """JSON-safe; without seconds, so that equal searches give equal bytes."""
        solution = {name: _or_none(value) for name, value in asdict(self.solution).items() if name != "seconds"}
        return {
            "solution": solution,
            "predicted": self.predicted,
            "realised": self.realised,
            "rounds": [asdict(one) for one in self.rounds],
            "gains": self.gains,
            "tokens": self.tokens,
            "batch": self.batch,
            "batches": [asdict(one) for one in self.batches],
        }


@dataclass
class _Best:
    """The best child so far, and all that were looked at."""

    children: Children
    tokens: int | None
    solution: Solution | None = None
    realised: float = float("inf")
    rounds: list[Round] = field(default_factory=list)

    def look(self, parts: Sequence[tuple[str, Solution, float]], radius: int) -> bool:
        """Assembles children and measures them, each with its part and its sum; whether one is the best so far."""
        losses, kept = self.children.realise_all([solution for _, solution, _ in parts], self.tokens), False
        for one, loss in zip(parts, losses, strict=True):
            kept |= self._note(*one, loss, radius)
        return kept

    def _note(self, part: str, solution: Solution, predicted: float, realised: float, radius: int) -> bool:
        """Whether this child is the best so far, which one that overflows never is."""
        if not math.isfinite(realised):
            emit("child_overflowed", part=part, realised=realised)
            return False
        kept = realised < self.realised
        self.rounds.append(Round(part, radius, self._changed(solution), predicted, realised, kept))
        emit("child_realised", part=part, predicted=predicted, realised=realised, kept=kept)
        if kept:
            self.solution, self.realised = solution, realised
        return kept

    def _changed(self, solution: Solution) -> int:
        """Sub-blocks and joins that are not those of the best child."""
        before, joined = (self.solution.variants, self.solution.joined) if self.solution else ({}, ())
        return differences(solution.variants, before) + len(set(solution.joined) ^ set(joined))


def search(
    context: SearchContext,
    problem: Problem,
    solver: Solver,
    settings: SearchSettings,
    starts: Mapping[str, Solver] | None = None,
) -> SearchResult:
    """The best child found within the problem's limits; raises problem.Infeasible when there is none."""
    refuse_unsupported(solver, problem)
    settings = _that_it_can(solver, settings)
    best = _Best(Children(context), settings.tokens)
    for part, walker in walkers(solver, settings.fusion if problem.joins else "off").items():
        try:
            first = _solve(best, problem, walker, settings, part)
        except Infeasible:
            if part:
                continue  # what no child without joins can reach, one with joins may
            raise
        if not part:
            _look_elsewhere(best, problem, solver, first, starts or {})
        _rescore(best, problem, walker, settings, part)
    assert best.solution is not None
    predicted = total(problem, best.solution.variants, best.solution.joined)[0]
    solution = _priced_by_sums(best.solution, first, predicted)
    return SearchResult(solution, predicted, best.realised, tuple(best.rounds), _judging(context, settings))


def _solve(best: _Best, problem: Problem, solver: Solver, settings: SearchSettings, part: str) -> Solution:
    """Looks at the optima of the sums; the first of them."""
    first, *others = solve_many(problem, solver, settings.children, settings.distance)
    parts = [(f"{part}solve", first, first.objective)]
    parts += [(f"{part}diverse", solution, solution.objective) for solution in others]
    best.look(parts, len(problem.choices))
    return first


def _look_elsewhere(
    best: _Best, problem: Problem, solver: Solver, first: Solution, starts: Mapping[str, Solver]
) -> None:
    """Children of other solvers, which join nothing, and of one that searches on real children."""
    apart, sub_blocks = replace(problem, joins=()), len(problem.choices)
    begun = {name: start.solve(apart) for name, start in starts.items()}
    parts = [(f"start {name}", one, total(apart, one.variants)[0]) for name, one in begun.items()]
    if parts:
        best.look(parts, sub_blocks)
    if isinstance(solver, RealisingSolver):
        solution = solver.solve_realising(problem, best.children, first, best.children.context.folder)
        best.look([(solver.name, solution, total(problem, solution.variants)[0])], sub_blocks)


def _that_it_can(solver: Solver, settings: SearchSettings) -> SearchSettings:
    """Without the parts that ask for more than the solver supports."""
    needed = {"children": ("apart", 1), "rounds": ("ball", 0)}
    left_out = {part: off for part, (feature, off) in needed.items() if feature not in solver.supports}
    for part in left_out:
        emit("search_part_left_out", part=part, solver=solver.name)
    return settings.model_copy(update=left_out)


def _rescore(best: _Best, problem: Problem, solver: Solver, settings: SearchSettings, part: str) -> None:
    """Rounds around the best child, until none is left or the ball holds nothing but its centre.

    Its variants are scored again as they are apart, and joins that it makes or could make as that child with them.
    """
    if best.solution is None:
        raise UserError("search: every child that was assembled overflows on the text; leave more of the parent")
    radius, around, joins = settings.radius, None, problem.joins
    for number in range(settings.rounds):
        if radius < 1:
            break
        centre, joined, realised = best.solution.variants, best.solution.joined, best.realised
        if around is None:
            around = best.children.scores_around(centre, settings.samples)
            joins = best.children.joins_around(centre, problem.joins) if problem.joins else ()
        distance = max(1, min(settings.distance, radius // 2))
        around_problem = _recentred(replace(problem, joins=joins), around, centre, radius)
        before = total(around_problem, centre, joined)[0]
        found = solve_many(around_problem, solver, settings.children, distance)
        paid = best.look([(f"{part}rounds", one, realised + one.objective - before) for one in found], radius)
        emit("round_finished", done=number + 1, total=settings.rounds, radius=radius, paid=paid)
        around, radius = (None, radius) if paid else (around, radius // 2)


def _recentred(problem: Problem, around: Mapping[str, Mapping[str, float]], centre: Labels, radius: int) -> Problem:
    """The same limits with scores around `centre`, within the ball."""
    choices = {
        name: tuple(Choice(choice.variant, around[name][choice.variant], choice.costs) for choice in options)
        for name, options in problem.choices.items()
    }
    around_problem = replace(problem, choices=choices, ball=Ball(centre, radius))
    refuse_problem(around_problem)
    return around_problem


def _priced_by_sums(chosen: Solution, first: Solution, predicted: float) -> Solution:
    """With the sum of scores as its objective; the bound is that of the first solution, which no sum can undercut."""
    gap = abs(predicted - first.bound) / max(abs(predicted), 1e-12) if predicted != first.bound else 0.0
    return replace(chosen, objective=predicted, bound=first.bound, gap=gap, status=first.status, nodes=first.nodes)


def _or_none(value: object) -> object:
    """JSON has no infinities: the bound and the gap of a solver that proves nothing are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _judging(context: SearchContext, settings: SearchSettings) -> int:
    """Tokens that children were judged on."""
    sequences, length = context.judging.shape
    return length * (sequences if settings.tokens is None else min(sequences, max(1, settings.tokens // length)))
