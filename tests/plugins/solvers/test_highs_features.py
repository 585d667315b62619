"""All that a problem may ask for, mixed, against brute force; what is refused; what is told where nothing fits."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockwright.contracts.small_problems import children
from blockwright.problem import Apart, Ball, Choice, Infeasible, Joint, Problem, Solution
from blockwright.solution_rules import check_solution
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver

LABELS = ("keep", "half", "skip")
SCORES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1, 1, allow_subnormal=False))
COSTS = st.one_of(st.integers(0, 6).map(float), st.floats(0, 6, allow_subnormal=False))


def _solve(problem: Problem) -> Solution:
    return HighsSolver(HighsOptions()).solve(problem)


@st.composite
def _children(draw: st.DrawFn, offers: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {name: draw(st.sampled_from(sorted(labels))) for name, labels in offers.items()}


@st.composite
def _joints(draw: st.DrawFn, offers: Mapping[str, Iterable[str]]) -> Joint:
    child = draw(_children(offers))
    names = draw(st.lists(st.sampled_from(sorted(child)), min_size=1, max_size=3, unique=True))
    costs = {"params": draw(st.integers(-4, 4).map(float)), "ms": draw(st.floats(-3, 3, allow_subnormal=False))}
    return Joint({name: child[name] for name in names}, draw(SCORES), costs)


@st.composite
def _problems(draw: st.DrawFn) -> Problem:
    """Up to four sub-blocks of up to three variants, with any of the features."""
    names = [f"ffn.{layer}" for layer in range(draw(st.integers(1, 4)))]
    offers = {name: draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=3, unique=True)) for name in names}
    choices = {
        name: tuple(Choice(label, draw(SCORES), {"params": draw(COSTS), "ms": draw(COSTS)}) for label in labels)
        for name, labels in offers.items()
    }
    some_names = st.lists(st.sampled_from(names), max_size=3, unique=True)
    amounts = st.dictionaries(st.sampled_from(["params", "ms"]), st.integers(0, 14).map(float))
    forced = {name: draw(st.sampled_from(offers[name])) for name in draw(some_names)[:1]}
    return Problem(
        choices,
        limits=draw(amounts),
        fixed=draw(st.sampled_from([{}, {"params": 1.0}])),
        ball=draw(st.none() | st.builds(Ball, _children(offers), st.integers(0, 3))),
        apart=tuple(draw(st.lists(st.builds(Apart, _children(offers), st.integers(0, 2)), max_size=2))),
        floors={resource: floor / 2 for resource, floor in draw(amounts).items()},
        forced=forced,
        forbidden={name: frozenset([draw(st.sampled_from(LABELS))]) for name in draw(some_names)[:1]},
        groups=tuple(tuple(draw(some_names)) for _ in range(draw(st.integers(0, 2)))),
        joints=tuple(draw(st.lists(_joints(offers), max_size=3))),
    )


@settings(max_examples=80, deadline=None, derandomize=True)
@given(_problems())
def test_the_optimum_with_everything_mixed_is_that_of_brute_force(problem: Problem) -> None:
    found = children(problem)
    if not found:
        with pytest.raises(Infeasible):
            _solve(problem)
        return
    solution = _solve(problem)
    assert check_solution(problem, solution) == []
    assert solution.objective == pytest.approx(found[0][0], abs=1e-9)
    assert solution.status == "optimal" and solution.bound <= solution.objective


def _halves(layers: int = 2, **asked: object) -> Problem:
    options = (Choice("keep", 0.0, {"params": 10.0}), Choice("half", 1.0, {"params": 5.0}))
    return Problem({f"ffn.{layer}": options for layer in range(layers)}, **{"limits": {}, **asked})  # type: ignore[arg-type]


def test_a_floor_keeps_a_child_from_being_too_small() -> None:
    options = (Choice("keep", 1.0, {"params": 10.0}), Choice("half", 0.0, {"params": 5.0}))
    solution = _solve(Problem({"ffn.0": options, "ffn.1": options}, {}, {"params": 1.0}, floors={"params": 16.0}))
    assert solution.costs == {"params": 16.0}


def test_a_floor_that_is_too_high_says_what_can_be_reached_at_most() -> None:
    with pytest.raises(Infeasible, match=r"the most that can be reached is \{.params.: 20\.0\}") as raised:
        _solve(_halves(floors={"params": 21.0}))
    assert raised.value.most == {"params": 20.0} and raised.value.floors == {"params": 21.0}


def test_a_limit_under_a_floor_says_what_each_can_reach_under_the_other() -> None:
    with pytest.raises(Infeasible) as raised:
        _solve(_halves(limits={"params": 14.0}, floors={"params": 16.0}))
    assert raised.value.least == {"params": 20.0}
    assert raised.value.most == {"params": 10.0}


def test_the_least_counts_joints_and_orders() -> None:
    joint = Joint({"ffn.0": "half", "ffn.1": "half"}, 0.0, {"params": -3.0})
    with pytest.raises(Infeasible) as raised:
        _solve(_halves(limits={"params": 6.0}, joints=(joint,)))
    assert raised.value.least == {"params": 7.0}
    with pytest.raises(Infeasible) as raised:
        _solve(_halves(limits={"params": 6.0}, joints=(joint,), forced={"ffn.1": "keep"}))
    assert raised.value.least == {"params": 15.0}


def test_orders_that_leave_nothing_are_infeasible_and_tell_the_least_without_them() -> None:
    with pytest.raises(Infeasible) as raised:
        _solve(_halves(limits={"params": 30.0}, forced={"ffn.0": "keep"}, forbidden={"ffn.0": frozenset(["keep"])}))
    assert raised.value.least == {"params": 10.0}


def test_sub_blocks_of_groups_that_share_one_all_agree() -> None:
    groups = (("ffn.0", "ffn.1"), ("ffn.3", "ffn.1"))
    solution = _solve(_halves(layers=5, limits={"params": 45.0}, groups=groups, forced={"ffn.3": "keep"}))
    assert {solution.variants[name] for name in ("ffn.0", "ffn.1", "ffn.3")} == {"keep"}
    assert sorted([solution.variants["ffn.2"], solution.variants["ffn.4"]]) == ["half", "keep"]


def test_a_label_that_one_of_a_group_lacks_is_not_chosen() -> None:
    choices = {**_halves().choices, "ffn.1": _halves().choices["ffn.1"][1:]}
    assert _solve(Problem(choices, {}, groups=(("ffn.0", "ffn.1"),))).variants == {"ffn.0": "half", "ffn.1": "half"}


@pytest.mark.parametrize("score, taken", [(-3.0, "half"), (-1.5, "keep"), (0.0, "keep")])
def test_a_joint_that_is_worth_it_is_taken(score: float, taken: str) -> None:
    joint = Joint({"ffn.0": "half", "ffn.1": "half"}, score)
    assert set(_solve(_halves(joints=(joint,))).variants.values()) == {taken}


def test_a_joint_that_costs_is_avoided_only_by_not_taking_all_its_members() -> None:
    joint = Joint({"ffn.0": "keep", "ffn.1": "keep", "ffn.2": "keep"}, 2.5)
    solution = _solve(_halves(layers=3, joints=(joint,)))
    assert solution.objective == 1.0
    assert sorted(solution.variants.values()) == ["half", "keep", "keep"]


def test_many_children_a_hair_over_the_limit_do_not_hide_those_within() -> None:
    """All layers cost the same, in fractions: a limit a hair under a count excludes every way of reaching it."""
    draw = random.Random(0)
    choices = {
        f"ffn.{layer}": (Choice("keep", 0.0, {"ms": 0.1}), Choice("half", draw.uniform(0.5, 1), {"ms": 0.07}))
        for layer in range(16)
    }
    limit = 8 * 0.1 + 8 * 0.07
    assert _solve(Problem(choices, {"ms": limit})).costs["ms"] == pytest.approx(limit)
    hair_under = limit * (1 - 1e-11)
    assert _solve(Problem(choices, {"ms": hair_under})).costs["ms"] == pytest.approx(limit - 0.03)


def test_limits_of_infinity_ask_for_nothing() -> None:
    assert _solve(_halves(limits={"params": math.inf}, floors={"params": -math.inf})).objective == 0.0


@pytest.mark.parametrize(
    "asked, sentence",
    [
        ({"limits": {"params": math.nan}}, "limits: params nan"),
        ({"floors": {"params": math.inf}}, "floors: params inf"),
        ({"fixed": {"params": math.nan}}, "fixed: params nan"),
        ({"floors": {"ms": 1.0}}, "ffn.0, keep: ms nan"),
        ({"forced": {"ffn.9": "keep"}}, "forced: ffn.9 is no sub-block of the problem"),
        ({"forced": {"ffn.0": "skip"}}, "forced: ffn.0 has no variant 'skip'"),
        ({"forbidden": {"ffn.9": frozenset(["keep"])}}, "forbidden: ffn.9 is no sub-block"),
        ({"groups": (("ffn.0", "ffn.9"),)}, "groups: ffn.9 is no sub-block"),
        ({"joints": (Joint({"ffn.0": "skip"}, 1.0),)}, "joint of ffn.0 skip: ffn.0 has no variant 'skip'"),
        ({"joints": (Joint({"ffn.0": "keep"}, math.nan),)}, "joint of ffn.0 keep: score nan"),
        ({"joints": (Joint({"ffn.0": "keep"}, 0.0, {"params": math.inf}),)}, "joint of ffn.0 keep: params inf"),
        ({"joints": (Joint({}, 1.0),)}, "joint of nothing: names no sub-block"),
    ],
)
def test_what_is_wrong_with_a_problem_is_told(asked: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        _solve(_halves(**asked))
    assert sentence in str(raised.value)


def test_two_variants_of_one_label_are_told() -> None:
    choice = Choice("keep", 0.0, {})
    with pytest.raises(ValueError, match=r"ffn\.0: two of its variants are called 'keep'"):
        _solve(Problem({"ffn.0": (choice, choice)}, {}))
