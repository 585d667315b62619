"""The front of sums that the report draws."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import pytest

from blockwright.report.front import Front, front_chart, front_of, hull, walk
from blockwright.report.reading import Record
from blockwright.report.writing import page_of


def test_hull_leaves_out_what_costs_more_or_lies_above_a_line() -> None:
    points = [(4.0, 0.0), (3.0, 0.5), (2.0, 0.6), (2.5, 0.1), (1.0, 2.0), (5.0, 0.0), (1.0, 3.0)]
    assert hull(points) == [(4.0, 0.0), (2.5, 0.1), (2.0, 0.6), (1.0, 2.0)]


@pytest.mark.parametrize("seed", range(20))
def test_every_corner_is_the_best_child_of_its_cost_by_brute_force(seed: int) -> None:
    chance = random.Random(seed)
    blocks = [[(chance.random(), chance.random()) for _ in range(4)] for _ in range(4)]
    children = [tuple(map(sum, zip(*one, strict=True))) for one in itertools.product(*blocks)]
    corners = list(walk(blocks))
    for cost, loss in corners:
        best = min(other[1] for other in children if other[0] <= cost + 1e-12)
        assert loss == pytest.approx(best, abs=1e-12)
    assert corners[0][1] == pytest.approx(min(loss for _, loss in children))
    assert corners[-1][0] == pytest.approx(min(cost for cost, _ in children))
    assert [cost for cost, _ in corners] == sorted((cost for cost, _ in corners), reverse=True)


def test_chosen_child_of_a_run_is_on_the_page_and_not_below_the_front(finished: Path) -> None:
    record = Record(finished)
    assert record.search and record.evaluation
    front = front_of(record.costs, record.scores, record.search.solution.variants, record.evaluation)
    assert front and front.resource == "params"
    (cost, loss), (same, measured) = front.marks.values()
    assert cost == pytest.approx(record.search.solution.costs["params"] / record.costs.parent["params"])  # type: ignore
    assert same == cost and measured == record.evaluation.built.kl_nats_per_token
    assert loss >= min(other for size, other in front.points if size >= cost) - 1e-9
    page = page_of(record)
    assert "The front by parameters" in page
    assert f"chosen, sum of scores: {100 * cost:.1f} %" in page


def test_a_front_far_above_the_marks_is_cut() -> None:
    chart = front_chart(Front("params", ((1.0, 0.0), (0.8, 0.2), (0.1, 90.0)), {"chosen, sum of scores": (0.8, 0.25)}))
    assert len(re.findall(r'points="(.*?)"', chart)[0].split()) == 2
    assert "80 %" in chart


def test_before_the_search_there_is_no_front() -> None:
    assert front_of(None, {}, {}, None) is None
    assert front_chart(None) == ""
