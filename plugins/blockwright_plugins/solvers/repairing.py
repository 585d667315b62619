"""A child brought within the limits by greedy steps, and then as near to them as single steps go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from blockwright.problem import Choice, Problem
from blockwright_plugins.solvers.baseline import Child, child_of

Labels = Mapping[str, str]
Step = tuple[float, str, Choice]  # score increase, in all or per unit saved; sub-block; its new choice


def repaired(problem: Problem, variants: Labels) -> dict[str, str] | None:
    """A child within the limits by greedy steps from this one; None where they lead to none."""
    child = stepped(child_of(problem, variants))
    return child.variants if child.fits else None


def stepped(child: Child) -> Child:
    """As near to the limits as steps lead, each of least score increase per unit saved of the most violated one.

    Steps that would put other limits off by more than they gain are passed over, so that none goes in circles.
    """
    while not child.fits and (step := _best_step(child)) is not None:
        child = child.after(*step)
    return child


def filled(problem: Problem, variants: Labels) -> dict[str, str]:
    """With what is left of the limits spent on single steps that lower the summed score, the largest first."""
    child = child_of(problem, variants)
    while better := [step for step in _steps(child) if step[0] < 0 and child.fits_after(*step[1:])]:
        _, name, choice = min(better, key=lambda step: (step[0], step[1], step[2].variant))
        child = child.after(name, choice)
    return child.variants


def _best_step(child: Child) -> tuple[str, Choice] | None:
    steps = sorted(_saving(child, child.most_violated), key=lambda step: step[0])
    nearer = ((name, choice) for _, name, choice in steps if child.is_nearer_after(name, choice))
    return next(nearer, None)


def _saving(child: Child, resource: str) -> Iterator[Step]:
    """The single replacements that save some of the resource, by what each unit costs."""
    for lost, name, choice in _steps(child):
        saved = child.taken[name].costs[resource] - choice.costs[resource]
        if saved > 0:
            yield lost / saved, name, choice


def _steps(child: Child) -> Iterator[Step]:
    """All single replacements, by what they add to the score."""
    for name, options in child.problem.choices.items():
        yield from ((choice.score - child.taken[name].score, name, choice) for choice in options)
