"""What may be joined, and what joins add up to, on four layers whose attentions are all skipped but the first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blockwright.problem import Choice, Join, JoinRule, Problem, Solution
from blockwright.solution_rules import broken_rules, check_solution, total

WIDTHS = {"keep": 10, "half": 5, "skip": 0}


def _choices(*labels: str) -> tuple[Choice, ...]:
    return tuple(Choice(label, 0.0, {"ms": 10.0 if label == "keep" else 5.0}) for label in labels)


def problem(**rule: object) -> Problem:
    attentions = {f"attention.{layer}": _choices("keep", "skip") for layer in range(4)}
    ffns = {f"ffn.{layer}": _choices("keep", "half", "linear", "skip") for layer in range(4)}
    joins = tuple(
        Join(f"ffn.{at}", f"ffn.{at + 1}", {f"attention.{at + 1}": frozenset(["skip"])}, 0.5 + at, {"ms": -1.0})
        for at in range(3)
    )
    widths = dict.fromkeys(ffns, WIDTHS)
    return Problem(attentions | ffns, {}, joins=joins, join_rule=JoinRule(widths, **rule))  # type: ignore[arg-type]


def child(*ffns: str, attention: int | None = None) -> dict[str, str]:
    """Four FFNs; `attention` names a layer after the first that has one."""
    attentions = {f"attention.{layer}": "keep" if layer in (0, attention) else "skip" for layer in range(4)}
    return attentions | {f"ffn.{layer}": label for layer, label in enumerate(ffns)}


def joins(*places: int) -> tuple[tuple[str, str], ...]:
    return tuple((f"ffn.{at}", f"ffn.{at + 1}") for at in places)


def test_joins_add_their_scores_and_costs_once_each() -> None:
    variants = child("keep", "half", "keep", "keep")
    apart, together = total(problem(), variants), total(problem(), variants, joins(0, 2))
    assert together[0] == apart[0] + 0.5 + 2.5
    assert together[1]["ms"] == apart[1]["ms"] - 2


def test_a_skipped_ffn_inside_of_a_run_adds_nothing() -> None:
    variants = child("keep", "skip", "keep", "keep")
    assert broken_rules(problem(), variants, joins(0, 1)) == []
    assert total(problem(), variants, joins(0, 1))[0] == 1.5


@pytest.mark.parametrize(
    ("variants", "joined", "sentence"),
    [
        (child("keep", "keep", "keep", "keep", attention=1), joins(0), "ffn.0 and ffn.1: may not be joined"),
        (child("keep", "linear", "keep", "keep"), joins(0), "ffn.0 and ffn.1: may not be joined"),
        (child("skip", "keep", "keep", "keep"), joins(0), "where nothing is there to begin with"),
        (child("keep", "keep", "keep", "keep"), (("ffn.0", "ffn.2"),), "none of the problem's, or one twice"),
        (child("keep", "keep", "keep", "keep"), joins(0, 0), "none of the problem's, or one twice"),
    ],
)
def test_what_cannot_be_joined_is_told(variants: dict[str, str], joined: object, sentence: str) -> None:
    [told] = broken_rules(problem(), variants, joined)  # type: ignore[arg-type]
    assert sentence in told


def test_a_run_has_at_most_so_many_channels() -> None:
    narrow = problem(max_width=20)
    assert broken_rules(narrow, child("half", "keep", "half", "keep"), joins(0, 1)) == []
    [told] = broken_rules(narrow, child("half", "keep", "keep", "keep"), joins(0, 1))
    assert told == "ffn.0, ffn.1, ffn.2: have 25 channels together, more than 20"


def test_an_ffn_that_is_too_wide_alone_is_joined_with_none() -> None:
    assert broken_rules(problem(max_width=7), child("keep", "skip", "keep", "keep"), joins(0))


def test_the_last_ffn_of_a_run_stays_out_where_that_is_asked() -> None:
    all_but_last = problem(exclude_last=True)
    whole = child("keep", "keep", "keep", "keep")
    assert broken_rules(all_but_last, whole, joins(0, 1)) == []
    assert "is the last of its run" in broken_rules(all_but_last, whole, joins(0, 1, 2))[0]
    cut = child("keep", "keep", "keep", "keep", attention=2)
    assert "is the last of its run" in broken_rules(all_but_last, cut, joins(0))[0]


def test_a_skipped_ffn_is_no_last_one() -> None:
    all_but_last = problem(exclude_last=True)
    ends = child("keep", "keep", "skip", "skip")
    assert broken_rules(all_but_last, ends, joins(0))
    assert broken_rules(all_but_last, child("keep", "keep", "skip", "keep"), joins(0, 1)) == []


def test_a_wrong_sum_with_joins_is_found() -> None:
    variants = child("keep", "keep", "keep", "keep")
    objective, costs = total(problem(), variants, joins(0))
    sound = Solution(variants, objective, objective, 0.0, "optimal", 0.0, 0, costs, joins(0))
    assert check_solution(problem(), sound) == []
    assert len(check_solution(problem(), replace(sound, joined=()))) == 2
