"""`depth`: whole layers removed, as ShortGPT does (arXiv 2403.03853)."""

from __future__ import annotations

from collections.abc import Sequence

from blockwright.errors import UserError
from blockwright.plugins import hookimpl
from blockwright.problem import Problem, Solver
from blockwright.variants import SLOTS, SubBlock
from blockwright_plugins.solvers.removal import Removal, RemovalSolver, skip_of


class DepthSolver(RemovalSolver):
    """Removes the layers of least summed `skip` score, which is their block influence, until the limits hold."""

    name = "depth"
    scored_by = "block-influence"

    def removals(self, problem: Problem) -> Sequence[Removal]:
        """The layers whose attention and FFN may both be skipped; UserError where there is no such layer.

        A sub-block that is left a single choice may be under orders, and says nothing of the space.
        """
        layers = sorted({SubBlock.parse(name).layer for name in problem.choices})
        removals = [_removal(problem, layer) for layer in layers]
        whole = [removal for removal in removals if len(removal) == len(SLOTS)]
        if not whole and all(len(options) > 1 for options in problem.choices.values()):
            raise UserError(
                "solver.name: 'depth' removes whole layers, and the search space offers no layer `skip` for both its "
                "attention and its FFN; add `skip` to both, or choose another solver"
            )
        return whole


def _removal(problem: Problem, layer: int) -> Removal:
    names = [str(SubBlock(layer, slot)) for slot in SLOTS]
    skips = {name: skip_of(problem, name) for name in names}
    return {name: skip for name, skip in skips.items() if skip is not None}


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [DepthSolver]
