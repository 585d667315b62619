"""04-solve: the search for the child, from scores and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from blockwright.files import write_json
from blockwright.problem import Problem, Solver
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.searching.batches import best_batch
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
        context, problems = search_context(files, self.seed, folder), stored_problems(files)
        batch, tried = best_batch(problems, self.solver) if self.settings.batches else (None, ())
        problem = stored_problem(files) if batch is None else problems[batch]
        result = search(context, problem, self.solver, self.settings, self.starts)
        write_json(folder / "solution.json", replace(result, batch=batch, batches=tried).to_dict())


def search_context(files: RunFiles, seed: int, folder: Path) -> SearchContext:
    """Scores are made on the scoring tokens, children judged on those held back."""
    tokens = files.tokens
    return SearchContext(
        files.parent, files.library, files.variants, tokens["scoring"], tokens["heldback"], seed, folder
    )


def stored_problems(files: RunFiles) -> dict[int, Problem]:
    """One for each batch size that the search may choose, all within the limits of the recipe."""
    scores, limits = files.scores(), files.limits()
    return {
        batch: make_problem(scores, prices.resources(), prices.fixed_resources, limits)
        for batch, prices in files.prices_by_batch().items()
    }


def stored_problem(files: RunFiles, limits: Mapping[str, float] | None = None) -> Problem:
    """The problem of the stored scores and costs, within other limits where they are given."""
    prices = files.prices()
    return make_problem(files.scores(), prices.resources(), prices.fixed_resources, limits or files.limits())
