"""`random`: the best of so many random children within the limits, the least that a search must beat."""

from __future__ import annotations

from random import Random

from pydantic import NonNegativeInt, PositiveInt

from blockwright.plugins import hookimpl
from blockwright.problem import Problem, Solver, SolverOptions
from blockwright_plugins.solvers.baseline import Baseline, Child, unchanged


class RandomOptions(SolverOptions):
    """`samples`: children that are drawn; equal seeds draw equal ones."""

    samples: PositiveInt = 100
    seed: NonNegativeInt = 0


class RandomSolver(Baseline):
    """Draws children and takes the one of least summed score.

    Each starts from the parent and takes single steps in random order, those that lead towards the limits, until it
    is within them.
    """

    name = "random"
    Options = RandomOptions

    def child(self, problem: Problem) -> Child:
        assert isinstance(self.options, RandomOptions)
        draw = Random(self.options.seed)
        children = [_drawn(problem, draw) for _ in range(self.options.samples)]
        fitting = [child for child in children if child.fits]
        if not fitting:
            return children[0].fewest_changes_that_fit()
        return min(fitting, key=lambda child: child.score)


def _drawn(problem: Problem, draw: Random) -> Child:
    """Within the limits, or where no step leads further towards them."""
    child = unchanged(problem)
    steps = [(name, choice) for name, options in problem.choices.items() for choice in options]
    draw.shuffle(steps)
    for name, choice in steps:
        if child.fits:
            break
        if child.is_nearer_after(name, choice):
            child = child.after(name, choice)
    return child


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [RandomSolver]
