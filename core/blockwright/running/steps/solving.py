"""04-solve: the search for the child, from scores and costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blockwright.executors import HERE, Executor
from blockwright.files import write_json
from blockwright.problem import Join, Problem, Solver
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.searching.agreements import groups_of
from blockwright.searching.batches import best_batch
from blockwright.searching.children import SearchContext
from blockwright.searching.fusing import walkers
from blockwright.searching.join_making import join_rule, open_joins, with_joins
from blockwright.searching.pricing import Prices
from blockwright.searching.problem_making import Rules
from blockwright.searching.search import SearchSettings, search
from blockwright.searching.sums import search_sums
from blockwright.transforms import JoinLimits


@dataclass(frozen=True)
class SolveStep(Step):
    """`join_limits` are set where the search may join FFNs; without `weights` sums of scores are all that it sees."""

    solver: Solver
    settings: SearchSettings
    starts: Mapping[str, Solver]
    seed: int
    join_limits: JoinLimits | None = None
    executor: Executor = HERE
    weights: bool = True

    def run(self, files: RunFiles, folder: Path) -> None:
        """Writes `solution.json`, without times, so that equal recipes give equal bytes."""
        joins = self._joins(files, folder)
        by_batch = files.prices_by_batch() if self.settings.batches else {}
        problems = {batch: self._problem(files, prices, joins) for batch, prices in by_batch.items()}
        *_, solver = walkers(self.solver, self.settings.fusion).values()
        batch, tried = best_batch(problems, solver) if problems else (None, ())
        problem = problems[batch] if batch else self._problem(files, files.prices(), joins)
        if self.weights:
            context = search_context(files, self.seed, folder, self.executor)
            result = search(context, problem, self.solver, self.settings, self.starts)
        else:
            result = search_sums(problem, self.solver)
        write_json(folder / "solution.json", replace(result, batch=batch, batches=tried).to_dict())

    def _problem(self, files: RunFiles, prices: Prices, joins: Sequence[Join]) -> Problem:
        problem = files.problem(prices, self._rules(files))
        if self.join_limits is None:
            return problem
        return problem_with_joins(problem, files, prices, self.join_limits, joins)

    def _joins(self, files: RunFiles, folder: Path) -> Sequence[Join]:
        """With their scores, which are measured on the scoring tokens."""
        from blockwright.searching.join_scoring import score_joins

        if self.join_limits is None:
            return ()
        joins = open_joins(files.parent, files.space(), files.variants, self.join_limits)
        return score_joins(files.parent.stack(), files.tokens["scoring"], joins, folder)

    def _rules(self, files: RunFiles) -> Rules:
        return Rules(files.limits(), files.floors(), groups_of(self.settings.agree, files.parent.layers))


def problem_with_joins(
    problem: Problem, files: RunFiles, prices: Prices, limits: JoinLimits, joins: Iterable[Join]
) -> Problem:
    """The problem of a run's space with joins that have their scores."""
    rule = join_rule(files.parent, files.space(), files.variants, limits)
    return with_joins(problem, joins, prices.join_savings, rule)


def search_context(files: RunFiles, seed: int, folder: Path, executor: Executor = HERE) -> SearchContext:
    """Scores are made on the scoring tokens, children judged on those held back, by the dense parent."""
    scoring, judging = files.tokens["scoring"], files.tokens["heldback"]
    return SearchContext(
        files.base, files.library, files.variants, scoring, judging, seed, folder, executor, teacher=files.parent
    )
