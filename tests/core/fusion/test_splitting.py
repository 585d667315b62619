"""A run is cut into the fewest FFNs that width and dependencies allow."""

from __future__ import annotations

import itertools
import random

import pytest

from blockwright.fusion.runs import Run
from blockwright.fusion.splitting import SplitRule, split

EIGHT = Run(tuple(range(10, 18)), (100,) * 8)


def parts(run: Run, rule: SplitRule, dependencies: list[list[float]] | None = None) -> list[str]:
    return [str(part) for part in split(run, rule, dependencies)]


def test_a_whole_run_but_its_last_ffn_becomes_one() -> None:
    assert parts(EIGHT, SplitRule()) == ["10-16"]
    assert parts(EIGHT, SplitRule(exclude_last=False)) == ["10-17"]


def test_a_run_of_two_has_nothing_to_join_when_its_last_is_left_out() -> None:
    assert parts(EIGHT.part(0, 2), SplitRule()) == []
    assert parts(EIGHT.part(0, 2), SplitRule(exclude_last=False)) == ["10-11"]


def test_no_part_is_wider_than_allowed_and_a_single_wide_ffn_stands() -> None:
    for limit in range(50, 900, 50):
        found = split(EIGHT, SplitRule(max_width=limit))
        assert all(part.width <= limit for part in found)
        assert sum(len(part) - 1 for part in found) == 7 - -(-7 // max(1, limit // 100))
    assert parts(Run((0, 1, 2), (500, 10, 10)), SplitRule(max_width=100, exclude_last=False)) == ["1-2"]


def test_no_two_members_of_a_part_depend_more_on_each_other_than_allowed() -> None:
    matrix = [[0.1] * 8 for _ in range(8)]
    matrix[1][4] = 0.6
    assert parts(EIGHT, SplitRule(threshold=0.5), matrix) in (["10-12", "13-16"], ["10-13", "14-16"])
    assert parts(EIGHT, SplitRule(threshold=0.05), matrix) == []
    assert parts(EIGHT, SplitRule(threshold=0.6), matrix) == ["10-16"]


def test_of_all_ways_to_the_fewest_ffns_the_least_dependent_is_taken() -> None:
    draw = random.Random(3)
    matrix = [[draw.random() for _ in range(8)] for _ in range(8)]
    rule = SplitRule(max_width=400)
    found = split(EIGHT, rule, matrix)

    def held(cuts: tuple[int, ...]) -> tuple[int, float]:
        ends = (0, *cuts, 7)
        pieces = [range(start, stop) for start, stop in itertools.pairwise(ends)]
        return len(pieces), sum(matrix[i][j] for piece in pieces for i in piece for j in piece if i < j)

    ways = [cuts for count in range(7) for cuts in itertools.combinations(range(1, 7), count)]
    allowed = [cuts for cuts in ways if all(b - a <= 4 for a, b in itertools.pairwise((0, *cuts, 7)))]
    taken = tuple(part.layers[0] - 10 for part in found if part.layers[0] > 10)
    singles = {layer - 10 for layer in range(10, 17)} - {layer - 10 for part in found for layer in part.layers}
    cuts = tuple(sorted({*taken, *(one for one in singles if one), *(one + 1 for one in singles if one < 6)}))
    assert held(cuts) == pytest.approx(min(map(held, allowed)))
