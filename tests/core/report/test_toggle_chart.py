"""Figures of both modes and moments become lines of a drawing; the others stay in the list."""

from __future__ import annotations

import re

from blockwright.report.healing import Healing
from blockwright.report.records import StageOutcome
from blockwright.report.toggle_chart import ToggleLine, toggle_chart, toggle_lines

FIGURES = {
    "steps": 4.0,
    "accuracy with off, before": 0.1,
    "accuracy with off, after": 0.4,
    "accuracy with on, after": 0.6,
    "accuracy with on, before": 0.0,
    "length with on, before": -3.0,
}


def test_lines_have_both_moments_and_on_comes_first() -> None:
    lines = toggle_lines(FIGURES)
    assert lines == (ToggleLine("accuracy", "on", 0.0, 0.6), ToggleLine("accuracy", "off", 0.1, 0.4))
    assert [line.words for line in lines] == ["accuracy, thinking on", "accuracy, thinking off"]


def test_more_is_further_to_the_right_and_the_numbers_are_written() -> None:
    chart = toggle_chart(toggle_lines(FIGURES))
    before, after = (
        [float(x) for x in re.findall(rf'class="{kind}" cx="([\d.]+)"', chart)] for kind in ("promised", "kept")
    )
    assert before[0] < before[1] < after[1] < after[0]
    assert "0 → 0.6" in chart and "0.1 → 0.4" in chart


def test_values_beyond_a_share_move_the_axis() -> None:
    chart = toggle_chart([ToggleLine("length", "on", -3.0, 2.0)])
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', chart)]
    assert 190 <= places[0] < places[1] <= 640 - 96


def test_a_stage_lists_what_is_not_drawn() -> None:
    measured = Healing("06-grpo", StageOutcome(stage="grpo", child="x", figures=FIGURES, notes=()), False)
    assert set(measured.figures) == {"steps", "length with on, before"}
    plain = Healing("06-distill", StageOutcome(stage="distill", child="x", figures={"steps": 1.0}, notes=()), False)
    assert not plain.toggle
