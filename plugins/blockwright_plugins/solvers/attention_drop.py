"""`attention-drop`: attentions removed, as LLM-Drop does (arXiv 2406.15786)."""

from __future__ import annotations

from collections.abc import Sequence

from blockwright.errors import UserError
from blockwright.plugins import hookimpl
from blockwright.problem import Problem, Solver
from blockwright.variants import SubBlock
from blockwright_plugins.solvers.removal import Removal, RemovalSolver, skip_of


class AttentionDropSolver(RemovalSolver):
    """Removes the attentions of least `skip` score, which is how little they turn the stream, until the limits hold."""

    name = "attention-drop"
    scored_by = "cosine"

    def removals(self, problem: Problem) -> Sequence[Removal]:
        """The attentions that may be skipped."""
        attentions = [name for name in problem.choices if SubBlock.parse(name).slot == "attention"]
        skips = {name: skip_of(problem, name) for name in attentions}
        removals = [{name: skip} for name, skip in skips.items() if skip is not None]
        if not removals:
            raise UserError(
                "solver.name: 'attention-drop' removes attentions, and the search space offers `skip` for none; "
                "add it, or choose another solver"
            )
        return removals


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [AttentionDropSolver]
