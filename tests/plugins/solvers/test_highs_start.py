"""The start that large programs get: it changes how long a solve takes, and no answer."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace

import pytest

from blockwright.contracts.small_problems import children, random_child, random_problem
from blockwright.problem import Apart, Ball, Choice, Joint, Problem
from blockwright.solution_rules import check_solution, total
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver
from blockwright_plugins.solvers.highs.model import Settings
from blockwright_plugins.solvers.highs.pricing import priced
from blockwright_plugins.solvers.highs.program import program_of
from blockwright_plugins.solvers.highs.starting import start_of


def _large(seed: int, layers: int = 30) -> Problem:
    """270 choices, two limits that bind."""
    draw = random.Random(seed)
    choices = {
        f"ffn.{layer}": tuple(
            Choice(
                f"v{one}",
                one * draw.random(),
                {"params": float(round(1e6 * (9 - one) * draw.uniform(0.9, 1.1))), "ms": (9 - one) * draw.random()},
            )
            for one in range(9)
        )
        for layer in range(layers)
    }
    return Problem(choices, {"params": 5.2e6 * layers, "ms": 2.4 * layers})


def _asking_more(problem: Problem, asked: str) -> Problem:
    draw = random.Random(0)
    best = HighsSolver(HighsOptions()).solve(problem)
    child = {**best.variants, **dict(list(random_child(problem, draw).items())[:8])}
    more = {
        "nothing": problem,
        "ball": replace(problem, ball=Ball(child, 6)),
        "apart": replace(problem, apart=(Apart(best.variants, 5),)),
        "floors": replace(
            problem, floors={"ms": 1.001 * best.costs["ms"]}, limits={"params": problem.limits["params"]}
        ),
        "groups": replace(problem, groups=(("ffn.0", "ffn.1", "ffn.2"), ("ffn.5", "ffn.9"))),
        "orders": replace(problem, forced={"ffn.0": "v8"}, forbidden={"ffn.1": frozenset(["v0", "v1"])}),
    }
    return more[asked]


@pytest.mark.parametrize("asked", ["nothing", "ball", "apart", "floors", "groups", "orders"])
@pytest.mark.parametrize("seed", range(2))
def test_with_a_start_the_optimum_is_that_without(seed: int, asked: str) -> None:
    """A joint that adds nothing keeps HiGHS from getting a start."""
    problem = _asking_more(_large(seed), asked)
    alone = replace(problem, joints=(Joint({"ffn.20": "v0", "ffn.21": "v0"}, 0.0),))
    settings = Settings(60.0, 0.0, 0)
    assert start_of(problem, program_of(problem), settings) is not None
    assert start_of(alone, program_of(alone), settings) is None
    solution, other = (HighsSolver(HighsOptions()).solve(one) for one in (problem, alone))
    assert check_solution(problem, solution) == []
    assert solution.objective == pytest.approx(other.objective, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_start_is_sound_and_near_the_optimum(seed: int) -> None:
    problem = _large(seed)
    program = program_of(problem)
    start = start_of(problem, program, Settings(60.0, 0.0, 0))
    assert start is not None
    objective, _ = total(problem, program.child(start.values))
    optimum = HighsSolver(HighsOptions()).solve(problem).objective
    assert start.bound <= optimum <= objective <= 1.02 * optimum
    assert len(start.hopeless) > 50


@pytest.mark.parametrize("seed", range(8))
def test_the_bound_holds_for_any_prices(seed: int) -> None:
    problem = random_problem(seed, {"several_limits", "floors", "ball"})
    program, draw = program_of(problem), random.Random(seed)
    costs = priced(program, [draw.uniform(-2, 2) for _ in program.rows])
    numbers = {(name, one.variant): at for at, one in enumerate(program.variables.columns) for name in one.sub_blocks}
    for objective, variants in children(problem):
        made = sum(costs.reduced[numbers[choice]] for choice in variants.items())
        assert costs.bound + made <= objective + 1e-9


def test_threads_that_another_part_of_the_process_has_set_up_spoil_no_answer() -> None:
    """HiGHS refuses to run then, which is no sign that no child fits."""
    script = """
import highspy
other = highspy.Highs()
other.setOptionValue("output_flag", False)
other.setOptionValue("threads", 2)
other.addVar(0.0, 1.0)
other.changeColIntegrality(0, highspy.HighsVarType.kInteger)
other.run()
from blockwright.problem import Choice, Problem
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver
options = (Choice("keep", 0.0, {"params": 3}), Choice("half", 1.0, {"params": 2}), Choice("skip", 3.0, {"params": 0}))
problem = Problem({f"ffn.{layer}": options for layer in range(100)}, {"params": 151})
solution = HighsSolver(HighsOptions()).solve(problem)
print(solution.status, solution.objective, solution.gap)
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "optimal 149.0 0.0"  # 149 parameters to save, each for a score of 1
