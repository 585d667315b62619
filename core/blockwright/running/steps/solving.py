"""04-solve: the search for the child, from scores and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from blockwright.files import write_json
from blockwright.problem import Solver
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.searching.agreements import groups_of
from blockwright.searching.batches import best_batch
from blockwright.searching.children import SearchContext
from blockwright.searching.problem_making import Rules, make_problem
from blockwright.searching.search import SearchSettings, search


@dataclass(frozen=True)
class SolveStep(Step):
    solver: Solver
    settings: SearchSettings
    starts: Mapping[str, Solver]
    seed: int

    def run(self, files: RunFiles, folder: Path) -> None:
        """Writes `solution.json`, without times, so that equal recipes give equal bytes."""
        context, rules = search_context(files, self.seed, folder), self._rules(files)
        by_batch = files.prices_by_batch() if self.settings.batches else {}
        problems = {batch: make_problem(files.scores(), prices, rules) for batch, prices in by_batch.items()}
        batch, tried = best_batch(problems, self.solver) if problems else (None, ())
        problem = problems[batch] if batch else make_problem(files.scores(), files.prices(), rules)
        result = search(context, problem, self.solver, self.settings, self.starts)
        write_json(folder / "solution.json", replace(result, batch=batch, batches=tried).to_dict())

    def _rules(self, files: RunFiles) -> Rules:
        return Rules(files.limits(), files.floors(), groups_of(self.settings.agree, files.parent.layers))


def search_context(files: RunFiles, seed: int, folder: Path) -> SearchContext:
    """Scores are made on the scoring tokens, children judged on those held back."""
    tokens = files.tokens
    return SearchContext(
        files.parent, files.library, files.variants, tokens["scoring"], tokens["heldback"], seed, folder
    )
