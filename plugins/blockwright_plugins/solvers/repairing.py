"""A child brought within the limits, and then as near to them as single steps go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from blockwright.problem import Choice, Problem
from blockwright.solution_rules import total

Labels = Mapping[str, str]
Move = tuple[str, Choice, Choice]  # sub-block, from, to


def repaired(problem: Problem, variants: Labels) -> dict[str, str] | None:
    """A child within the limits by greedy steps, each of least score for what it saves; None where there is none."""
    chosen = dict(variants)
    while excess := _excess(problem, total(problem, chosen)[1]):
        moves = [move for move in _moves(problem, chosen) if _saved(move, excess) > 0]
        if not moves:
            return None
        name, _, to = min(moves, key=lambda move: (_lost(move) / _saved(move, excess), move[0], move[2].variant))
        chosen[name] = to.variant
    return chosen


def filled(problem: Problem, variants: Labels) -> dict[str, str]:
    """With what is left of the limits spent on single steps that lower the summed score, the largest first."""
    chosen = dict(variants)
    while True:
        costs = total(problem, chosen)[1]
        better = [move for move in _moves(problem, chosen) if _lost(move) < 0 and _fits(problem, costs, move)]
        if not better:
            return chosen
        name, _, to = min(better, key=lambda move: (_lost(move), move[0], move[2].variant))
        chosen[name] = to.variant


def _moves(problem: Problem, chosen: Labels) -> Iterator[Move]:
    """All single changes."""
    for name, options in problem.choices.items():
        now = next(one for one in options if one.variant == chosen[name])
        yield from ((name, now, one) for one in options if one.variant != now.variant)


def _lost(move: Move) -> float:
    _, now, to = move
    return to.score - now.score


def _excess(problem: Problem, costs: Mapping[str, float]) -> dict[str, float]:
    """What is over each limit, as a share of it; empty when all are kept."""
    over = {name: costs[name] / limit - 1 for name, limit in problem.limits.items()}
    return {name: share for name, share in over.items() if share > 0}


def _saved(move: Move, excess: Mapping[str, float]) -> float:
    """Of the resource that is most over its limit, weighed by how far."""
    _, now, to = move
    worst = max(excess, key=lambda name: excess[name])
    return now.costs[worst] - to.costs[worst]


def _fits(problem: Problem, costs: Mapping[str, float], move: Move) -> bool:
    _, now, to = move
    moved = {name: costs[name] + to.costs[name] - now.costs[name] for name in problem.limits}
    return not _excess(problem, moved)
