"""The search's rounds as a drawing."""

from __future__ import annotations

import re

from blockwright.report.records import SearchRound
from blockwright.report.rounds_chart import rounds_chart


def one(predicted: float, realised: float, kept: bool = True) -> SearchRound:
    return SearchRound(part="rounds", radius=4, changed=2, predicted=predicted, realised=realised, kept=kept)


def test_undone_round_is_crossed_and_left_out_of_the_line() -> None:
    chart = rounds_chart([one(0.1, 0.3), one(0.2, 0.4, kept=False), one(0.15, 0.2)])
    assert "<title>child 1 (rounds): predicted 0.2, realised 0.4, undone</title>" in chart
    assert chart.count('class="undone"') == 1
    points = re.findall(r'points="(.*?)"', chart)[0].split()
    assert len(points) == 2


def test_less_loss_stands_lower() -> None:
    chart = rounds_chart([one(0.1, 0.3), one(0.1, 0.2)])
    heights = [float(y) for y in re.findall(r'class="kept" cx="[\d.]+" cy="([\d.]+)"', chart)]
    assert heights[0] < heights[1]


def test_axis_has_a_few_round_numbers() -> None:
    chart = rounds_chart([one(0.1, 0.3), one(0.1, 0.2)])
    assert re.findall('text-anchor="end">(.*?)<', chart) == ["0.1", "0.15", "0.2", "0.25", "0.3"]


def test_equal_rounds_can_be_drawn_and_a_single_one_needs_no_drawing() -> None:
    assert "<svg" in rounds_chart([one(0.0, 0.0), one(0.0, 0.0)])
    assert rounds_chart([one(0.1, 0.2)]) == ""
