"""04-solve: the search for the child, from scores and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blockwright.files import write_json
from blockwright.problem import Problem, Solver
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.searching.children import SearchContext
from blockwright.searching.problem_making import make_problem
from blockwright.searching.search import SearchSettings, search


@dataclass(frozen=True)
class SolveStep(Step):
    solver: Solver
    settings: SearchSettings
    starts: Mapping[str, Solver]
    seed: int

    def run(self, files: RunFiles, folder: Path) -> None:
        """Writes `solution.json`, without times, so that equal recipes give equal bytes."""
        context, problem = search_context(files, self.seed, folder), stored_problem(files)
        result = search(context, problem, self.solver, self.settings, self.starts)
        write_json(folder / "solution.json", result.to_dict())


def search_context(files: RunFiles, seed: int, folder: Path) -> SearchContext:
    """Scores are made on the scoring tokens, children judged on those held back."""
    tokens = files.tokens
    return SearchContext(
        files.parent, files.library, files.variants, tokens["scoring"], tokens["heldback"], seed, folder
    )


def stored_problem(files: RunFiles, limits: Mapping[str, float] | None = None) -> Problem:
    """The problem of the stored scores and costs, within other limits where they are given."""
    prices = files.prices()
    return make_problem(files.scores(), prices.resources(), prices.fixed_resources, limits or files.limits())
