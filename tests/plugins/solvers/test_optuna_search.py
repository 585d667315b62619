"""The solver `optuna` on children whose real loss is known: sums that lie, and a truth that they do not tell."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from blockwright.errors import UserError
from blockwright.plugins import Plugins
from blockwright.problem import Choice, Problem, Solution
from blockwright.solution_rules import broken_rules
from blockwright_plugins.solvers.optuna_search import CHILD, OptunaOptions, OptunaSolver, _storage
from blockwright_plugins.solvers.repairing import filled, repaired

NAMES = [f"ffn.{layer}" for layer in range(5)]
PROBLEM = Problem(
    choices={
        name: (Choice("keep", 0.0, {"params": 10.0}), Choice("half", 1.0 + at / 10, {"params": 5.0}),
               Choice("skip", 2.5 + at / 10, {"params": 0.0}))
        for at, name in enumerate(NAMES)
    },
    limits={"params": 32.0},
)  # fmt: skip
LOSS = {"keep": 0.0, "half": 1.0, "skip": 2.5}


class Truth:
    """Children that lose more than the sum where neighbours are both changed; counts how often it is asked."""

    def __init__(self) -> None:
        self.whole, self.few = 0, 0

    def realise(self, variants: Mapping[str, str], tokens: int | None = None) -> float:
        self.whole, self.few = self.whole + (tokens is None), self.few + (tokens is not None)
        return self.loss(variants)

    @staticmethod
    def loss(variants: Mapping[str, str]) -> float:
        changed = [variants[name] != "keep" for name in NAMES]
        return sum(LOSS[one] for one in variants.values()) + 3.0 * sum(map(all, itertools.pairwise(changed)))


def solve(truth: Truth, folder: Path, plugins: Plugins, **options: object) -> Solution:
    solver = OptunaSolver(OptunaOptions.model_validate(options))
    return solver.solve_realising(PROBLEM, truth, solver.solve(PROBLEM), folder)


def best_of_all() -> float:
    children = (dict(zip(NAMES, labels, strict=True)) for labels in itertools.product(LOSS, repeat=len(NAMES)))
    return min(Truth.loss(child) for child in children if not broken_rules(PROBLEM, child))


def test_it_finds_what_the_sums_do_not_tell(tmp_path: Path, plugins: Plugins) -> None:
    truth = Truth()
    found = solve(truth, tmp_path, plugins, trials=60)
    by_sums = OptunaSolver(OptunaOptions()).solve(PROBLEM)
    assert Truth.loss(found.variants) == best_of_all() < Truth.loss(by_sums.variants)
    assert found.costs["params"] <= 32
    assert truth.whole <= 60


def test_never_worse_than_the_optimum_of_the_sums_that_it_starts_from(tmp_path: Path, plugins: Plugins) -> None:
    found = solve(Truth(), tmp_path, plugins, trials=1, warm=1)
    assert found.variants == OptunaSolver(OptunaOptions()).solve(PROBLEM).variants


def test_few_tokens_spare_hopeless_children_a_whole_look(tmp_path: Path, plugins: Plugins) -> None:
    truth = Truth()
    solve(truth, tmp_path, plugins, trials=30, prune=1.0)
    assert truth.few == 30
    assert truth.whole < 20


def test_a_search_that_was_cut_short_goes_on_from_its_storage(tmp_path: Path, plugins: Plugins) -> None:
    whole, first, second = Truth(), Truth(), Truth()
    uninterrupted = solve(whole, tmp_path / "a", plugins, trials=20)
    solve(first, tmp_path / "b", plugins, trials=8)
    resumed = solve(second, tmp_path / "b", plugins, trials=20)
    assert resumed.variants == uninterrupted.variants
    assert first.few + second.few == whole.few == 20


def test_two_share_one_storage(tmp_path: Path, plugins: Plugins) -> None:
    storage = str(tmp_path / "shared.journal")
    one, other = Truth(), Truth()
    solve(one, tmp_path / "a", plugins, trials=10, storage=storage)
    found = solve(other, tmp_path / "b", plugins, trials=10, storage=storage)
    assert other.few == 0  # all that was asked for has been looked at by the other one
    assert found.costs["params"] <= 32


@pytest.mark.parametrize("kind", ["journal", "database"])
def test_two_processes_at_once_share_the_trials_of_one_study(kind: str, tmp_path: Path) -> None:
    place = str(tmp_path / "shared.journal") if kind == "journal" else f"sqlite:///{tmp_path}/shared.db"
    _storage(place) if kind == "journal" else optuna.storages.RDBStorage(place)  # whose tables one process must make
    command = [sys.executable, str(Path(__file__).with_name("searching_process.py")), place, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    looks = [one["looks"] for one in told]
    assert min(looks) > 0
    assert 24 <= sum(looks) <= 25, "a trial may be under way while the other process ends the last one"
    trials = optuna.load_study(study_name=None, storage=_storage(place)).get_trials(deepcopy=False)
    assert [trial.number for trial in trials] == list(range(sum(looks)))
    best = min((trial for trial in trials if trial.number < 24), key=lambda trial: (trial.values[0], trial.number))
    assert best.user_attrs[CHILD] in [one["child"] for one in told]


def test_what_is_over_a_limit_is_repaired_and_what_is_left_is_spent() -> None:
    everything = dict.fromkeys(NAMES, "keep")
    within = repaired(PROBLEM, everything)
    assert within is not None and not broken_rules(PROBLEM, within)
    nothing = dict.fromkeys(NAMES, "skip")
    spent = filled(PROBLEM, nothing)
    assert not broken_rules(PROBLEM, spent)
    assert sum(LOSS[one] for one in spent.values()) < sum(LOSS[one] for one in nothing.values())


def test_a_limit_that_no_child_keeps_cannot_be_repaired() -> None:
    kept = {name: options[:1] for name, options in PROBLEM.choices.items()}
    assert repaired(Problem(kept, {"params": 1.0}), dict.fromkeys(NAMES, "keep")) is None


@pytest.mark.parametrize("name", ["optuna"])
def test_it_is_installed(name: str, plugins: Plugins) -> None:
    assert plugins.solver(name) is OptunaSolver


def test_what_its_repairs_would_not_keep_is_refused() -> None:
    with pytest.raises(UserError, match="'optuna' does not support floors, groups"):
        OptunaSolver(OptunaOptions()).solve(replace(PROBLEM, floors={"params": 1.0}, groups=(("ffn.0", "ffn.1"),)))
