"""What contenders come to: each child searched for, assembled and measured on the evaluation text, once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from blockwright.comparing.contenders import Contender
from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.files import write_json
from blockwright.problem import Infeasible
from blockwright.recipes.checking import CheckedRecipe
from blockwright.recipes.feasibility import rules_of
from blockwright.running.directory import RunDirectory, step_key
from blockwright.running.files import SCORES, RunFiles
from blockwright.running.pipeline import run_checked
from blockwright.running.step_keys import plain, plan_keys
from blockwright.running.steps.scoring_the_library import ScoreStep
from blockwright.running.steps.solving import search_context
from blockwright.scoring import Scores
from blockwright.searching.problem_making import Rules
from blockwright.searching.search import SearchResult, search
from blockwright.searching.sums import search_sums

FOLDER = "compare"


@dataclass(frozen=True)
class Outcome:
    """One child. `predicted` is None where the scores are in no nats; `seconds` are those of the search alone.

    `failed` says why a contender has no child; its figures are then None.
    """

    name: str
    limits: Mapping[str, float]
    predicted: float | None = None
    realised: float | None = None
    kl_nats_per_token: float | None = None
    top1_agreement: float | None = None
    costs: Mapping[str, float] | None = None
    seconds: float | None = None
    status: str = ""
    failed: str = ""


class Comparison:
    """Makes library and scores where they are not there yet; then each contender has a folder of its own."""

    def __init__(self, checked: CheckedRecipe) -> None:
        if checked.recipe.search.fusion != "off":
            raise UserError("search.fusion: comparisons join no FFNs; add search.fusion=off transforms=[]")
        self.checked, self.weights = checked, checked.recipe.parent.weights
        self.files: RunFiles = run_checked(checked, last=SCORES)
        self._run = RunDirectory(checked.directory / FOLDER)

    def outcome(self, contender: Contender, checked: CheckedRecipe | None = None) -> Outcome:
        """At the budget of the recipe, or of the same recipe with another budget; measured once for each."""
        checked = checked or self.checked
        key = self._key(contender, checked)
        folder = f"{contender.name}-{key[:8]}"
        with self._run.locked():
            self._run.do(folder, key, lambda place: self._measure(contender, checked, place))
        return Outcome(**json.loads((self._run.folder(folder) / "outcome.json").read_text()))

    def _measure(self, contender: Contender, checked: CheckedRecipe, folder: Path) -> None:
        rules = rules_of(checked.recipe.budget, checked.recipe.search, checked.prices)
        try:
            outcome = self._searched(contender, checked, rules, folder)
        except (Infeasible, UserError) as error:  # a contender that cannot must not stop the others
            outcome = Outcome(contender.name, dict(rules.limits), failed=str(error))
        write_json(folder / "outcome.json", asdict(outcome))
        emit("contender_finished", contender=contender.name, kl_nats_per_token=outcome.kl_nats_per_token)

    def _searched(self, contender: Contender, checked: CheckedRecipe, rules: Rules, folder: Path) -> Outcome:
        seed, limits = checked.recipe.seed, dict(rules.limits)
        problem = self.files.problem(checked.prices, rules, self._scores(contender.scorer))
        start = time.perf_counter()
        if self.weights:
            context, starts = search_context(self.files, seed, folder), checked.made.starts
            starts = {name: starts[name] for name in contender.settings.starts}
            result = search(context, problem, contender.solver, contender.settings, starts)
        else:
            result = search_sums(problem, contender.solver)
        seconds = time.perf_counter() - start
        kl, top1 = self._evaluated(result) if self.weights else (None, None)
        in_nats = checked.plugins.scorer(contender.scorer).in_nats
        predicted = result.predicted if in_nats else None
        status = result.solution.status
        return Outcome(
            contender.name, limits, predicted, result.realised, kl, top1, result.solution.costs, seconds, status
        )

    def _evaluated(self, result: SearchResult) -> tuple[float, float]:
        from blockwright.child.assembly import assemble
        from blockwright.models.evaluation import evaluate

        files = self.files
        assignment = files.library.assignment(result.solution.variants)
        child = assemble(files.base, files.library, assignment, files.variants)
        measured = evaluate(files.parent.stack(), child, files.tokens["evaluation"])
        return measured.kl_nats_per_token, measured.top1_agreement

    def _scores(self, scorer: str) -> Mapping[str, Scores]:
        """The recipe's, or another scorer's, which are made once and kept beside the outcomes."""
        if scorer == self.checked.recipe.scorer.name:
            return self.files.scores()
        plugin = self.checked.plugins.scorer(scorer)
        if plugin.needs_weights and not self.weights:
            raise UserError(f"'{scorer}' needs the parent's weights, which `parent.weights: false` leaves out")
        step = ScoreStep(
            f"scores-{scorer}", self._scores_key(scorer), plugin(plugin.Options()), self.checked.recipe.seed
        )
        self._run.do(step.name, step.key, lambda folder: step.run(self.files, folder))
        scores: Mapping[str, Scores] = json.loads((self._run.folder(step.name) / "scores.json").read_text())
        return scores

    def _scores_key(self, scorer: str) -> str:
        versions = {scorer: self.checked.plugins.version_of(scorer)}
        return step_key("scores", {}, (plan_keys(self.checked)[SCORES],), versions, self.checked.recipe.seed)

    def _key(self, contender: Contender, checked: CheckedRecipe) -> str:
        config = {
            "solver": plain(contender.solver.options),
            "search": plain(contender.settings),
            "scorer": contender.scorer,
            "budget": plain(checked.recipe.budget),
            "prices": checked.prices.to_dict(),
            "evaluation": plain(checked.recipe.text),
        }
        name = contender.name.partition("+")[0]
        versions = {name: checked.plugins.version_of(name)}
        return step_key(contender.name, config, (plan_keys(checked)[SCORES],), versions, checked.recipe.seed)


def compare(checked: CheckedRecipe, contenders: Sequence[Contender]) -> list[Outcome]:
    """All contenders at the recipe's budget."""
    comparison = Comparison(checked)
    return [comparison.outcome(contender) for contender in contenders]


def sweep(budgets: Sequence[CheckedRecipe], contender: Contender) -> list[Outcome]:
    """One contender at every budget; all recipes share library and scores."""
    comparison = Comparison(budgets[0])
    return [comparison.outcome(contender, checked) for checked in budgets]
