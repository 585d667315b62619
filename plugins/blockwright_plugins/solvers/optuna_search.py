"""`optuna`: evolution over real, assembled children, from the optima of the sums onwards."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from blockwright.events import emit
from blockwright.plugins import hookimpl, installed_plugins
from blockwright.problem import Problem, Solution, Solver, SolverOptions, refuse_unsupported
from blockwright.searching.diverse import solve_many
from blockwright.searching.realising import Realiser, RealisingSolver
from blockwright.solution_rules import total
from blockwright_plugins.solvers.repairing import filled, repaired

if TYPE_CHECKING:
    import optuna

WARM, CHILD = "warm", "child"  # attributes of trials: which warm start it is, and the variants that were assembled


class OptunaOptions(SolverOptions):
    """`trials` children are assembled in all, by all processes that share a `storage` (a journal or a database).

    A new database gets its tables from one process, before another one starts.

    `warm`: how many diverse optima of the sums it begins with. A child that loses `prune` times as much as the best on
    the first `few_tokens` tokens is not looked at further; 0 tokens looks at every child whole.
    """

    trials: PositiveInt = 40
    warm: PositiveInt = 4
    distance: PositiveInt = 6
    population: PositiveInt = 12
    few_tokens: NonNegativeInt = 1024
    prune: PositiveFloat = 1.05
    storage: str | None = None
    sums: str = "highs"
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class Searched:
    """What one search needs at every trial."""

    problem: Problem
    children: Realiser
    options: OptunaOptions
    study: optuna.Study


class OptunaSolver(RealisingSolver):
    """NSGA-II (Deb et al. 2002) on two objectives, the KL of the assembled child and its share of the tightest limit.

    What it proposes over a limit is repaired by greedy steps, so that every trial is a child that could be taken.
    """

    name = "optuna"
    Options = OptunaOptions
    supports = frozenset({"ball", "apart", "several_limits"})

    def solve(self, problem: Problem) -> Solution:
        """On sums, by the solver that `sums` names."""
        refuse_unsupported(self, problem)
        return self._sums.solve(problem)

    def solve_realising(self, problem: Problem, children: Realiser, incumbent: Solution, folder: Path) -> Solution:
        """The child of least KL among all trials; goes on where an earlier call on the same storage stopped."""
        start = time.monotonic()
        searched = Searched(problem, children, self._options, self._study(problem, folder))
        self._warm_up(searched)
        while (done := len(_finished(searched.study))) < self._options.trials:
            shared = self._options.storage is not None
            searched.study.sampler = self._sampler(len(searched.study.trials) if shared else done)
            searched.study.optimize(lambda trial: _look(trial, searched), n_trials=1)
            emit("trial_finished", done=done + 1, total=self._options.trials)
        best = min(_complete(searched.study), key=lambda trial: (trial.values[0], trial.number), default=None)
        if best is None:
            return incumbent
        objective, costs = total(problem, best.user_attrs[CHILD])
        seconds = time.monotonic() - start
        return Solution(best.user_attrs[CHILD], objective, -math.inf, math.inf, "heuristic", seconds, 0, costs)

    @property
    def _options(self) -> OptunaOptions:
        assert isinstance(self.options, OptunaOptions)
        return self.options

    @property
    def _sums(self) -> Solver:
        solver = installed_plugins().solver(self._options.sums)
        return solver(solver.Options())

    def _study(self, problem: Problem, folder: Path) -> optuna.Study:
        """One for each problem, so that another budget in the same storage is another study."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return optuna.create_study(
            directions=["minimize", "minimize"],
            study_name=f"blockwright-{_digest(problem)}",
            storage=_storage(self._options.storage or str(folder / "optuna.journal")),
            load_if_exists=True,
        )

    def _sampler(self, drawn: int) -> optuna.samplers.BaseSampler:
        """Made anew before each trial from the number of finished ones, so that a killed search goes on alike.

        Processes that share a storage also count those under way, lest all propose the same child.
        """
        import optuna

        return optuna.samplers.NSGAIISampler(
            population_size=self._options.population, seed=(self._options.seed << 20) + drawn
        )

    def _warm_up(self, searched: Searched) -> None:
        """Queues the diverse optima of the sums that nobody has looked at yet."""
        study = searched.study
        waiting = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "WAITING"]
        known = {trial.user_attrs.get(WARM) for trial in [*_finished(study), *waiting]}
        optima = solve_many(searched.problem, self._sums, self._options.warm, self._options.distance)
        for number, optimum in enumerate(optima):
            if number not in known:
                study.enqueue_trial(dict(optimum.variants), user_attrs={WARM: number})


def _look(trial: optuna.Trial, searched: Searched) -> tuple[float, float]:
    """KL in nats per token and share of the tightest limit, of the child that the trial proposes."""
    import optuna

    problem, options = searched.problem, searched.options
    labels = {name: [one.variant for one in choices] for name, choices in problem.choices.items()}
    proposed = {name: str(trial.suggest_categorical(name, variants)) for name, variants in labels.items()}
    within = repaired(problem, proposed)
    if within is None:
        raise optuna.TrialPruned
    child = within if WARM in trial.user_attrs else filled(problem, within)
    trial.set_user_attr(CHILD, child)
    if options.few_tokens and _is_hopeless(trial, child, searched):
        raise optuna.TrialPruned
    return searched.children.realise(child), _tightness(problem, child)


def _is_hopeless(trial: optuna.Trial, child: Mapping[str, str], searched: Searched) -> bool:
    few = searched.children.realise(child, searched.options.few_tokens)
    trial.set_user_attr("few", few)
    best = min((one.user_attrs["few"] for one in _complete(searched.study) if "few" in one.user_attrs), default=few)
    return few > best * searched.options.prune


def _tightness(problem: Problem, child: Mapping[str, str]) -> float:
    _, costs = total(problem, child)
    return max((costs[name] / limit for name, limit in problem.limits.items()), default=1.0)


def _complete(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Looked at, whole or in part."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def _storage(place: str) -> str | optuna.storages.BaseStorage:
    """A database by its URL, a journal by its path."""
    import optuna

    if "://" in place:
        return place
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    from optuna.storages.journal import JournalFileBackend

    return optuna.storages.JournalStorage(JournalFileBackend(place))


def _digest(problem: Problem) -> str:
    described = repr(
        (sorted(problem.limits.items()), sorted((name, problem.choices[name]) for name in problem.choices))
    )
    return hashlib.sha256(described.encode()).hexdigest()[:16]


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [OptunaSolver]
