"""A stage's curves as charts, and their place in the page."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from blockwright.report.curves import NamedCurve, curve_groups
from blockwright.report.curves_chart import curves_chart
from blockwright.report.records import StageOutcome
from blockwright.report.writing import write_report


def noisy(points: int = 200, seed: int = 0) -> list[tuple[int, float]]:
    """Around a line from 2 to 1."""
    draw = random.Random(seed)
    return [(step, 2 - step / points + draw.gauss(0, 0.2)) for step in range(1, points + 1)]


def drawn(curves: dict[str, list[tuple[int, float]]]) -> str:
    (group,) = curve_groups(curves)
    return str(curves_chart(group))


def test_curves_of_one_unit_share_a_chart() -> None:
    curves = {
        "loss (nats per token)": [(1, 2.0)],
        "held-back KL (nats per token)": [(1, 0.5)],
        "learning rate": [(1, 1e-4)],
        "nothing (nats per token)": [],
    }
    groups = {group.unit: [curve.name for curve in group.curves] for group in curve_groups(curves)}
    assert groups == {"nats per token": ["held-back KL", "loss"], "learning rate": ["learning rate"]}


def test_a_noisy_curve_has_its_points_and_a_smooth_line() -> None:
    curve = NamedCurve("loss", noisy())
    assert [step for step, _ in curve.line] == [step for step, _ in curve.points]
    away = [abs(value - (2 - step / 200)) for step, value in curve.line]
    assert sum(away) / 200 < 0.08 < sum(abs(value - (2 - step / 200)) for step, value in curve.points) / 200
    chart = drawn({"loss (nats per token)": noisy()})
    assert chart.count('class="raw') == 200
    assert len(re.findall(r'points="(.*?)"', chart)[0].split()) == 200


def test_a_held_back_curve_goes_through_its_points_which_say_what_they_are() -> None:
    chart = drawn({"held-back KL (nats per token)": [(0, 0.5), (100, 0.25), (200, 0.3)]})
    assert chart.count('class="mark') == 3
    assert "<title>held-back KL after step 100: 0.25</title>" in chart
    heights = [float(y) for y in re.findall(r'class="mark c0" cx="[\d.]+" cy="([\d.]+)"', chart)]
    assert heights[0] < heights[2] < heights[1]


def test_axes_are_named_and_have_round_numbers() -> None:
    chart = drawn({"held-back KL (nats per token)": [(0, 0.5), (1000, 0.2)]})
    texts = re.findall(r"<text[^>]*>(.*?)</text>", chart)
    assert texts == ["0.2", "0.3", "0.4", "0.5", "0", "200", "400", "600", "800", "1,000", "step", "nats per token"]


def test_a_spike_does_not_flatten_the_rest() -> None:
    spiked = noisy()
    spiked[60] = (61, 1000.0)
    chart = drawn({"loss (nats per token)": spiked})
    labels = [float(text) for text in re.findall(r'text-anchor="end">(.*?)<', chart)]
    assert max(labels) <= 3
    assert all(0 <= float(y) <= 230 for y in re.findall(r'cy="(.*?)"', chart))


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    chart = drawn({"loss (nats per token)": noisy(10_000)})
    assert chart.count('class="raw') < 402
    assert len(chart) < 60_000
    assert re.findall(r'points="(.*?)"', chart)[0].split()[-1].startswith("628.0,")


@pytest.mark.parametrize("points", [[(5, 1.0)], [(0, 0.0), (10, 0.0)], [(0, -1.0), (1, -1.0)]])
def test_a_single_point_and_a_flat_curve_can_be_drawn(points: list[tuple[int, float]]) -> None:
    assert "<polyline" in drawn({"held-back KL": points})


def test_names_are_escaped() -> None:
    assert "<b>" not in drawn({"<b>loss</b> (<i>)": [(0, 1.0), (1, 2.0)]})


def test_a_stage_of_an_older_run_has_no_curves() -> None:
    assert StageOutcome.model_validate({"stage": "x", "child": "y", "figures": {}, "notes": ()}).curves == {}


def test_the_page_shows_the_curves_of_a_stage_with_first_least_and_last(copied: Path) -> None:
    record = json.loads((copied / "06-refit" / "stage.json").read_text())
    record["curves"] = {"loss (nats per token)": noisy(), "held-back KL (nats per token)": [(0, 0.75), (200, 0.5)]}
    (copied / "06-refit" / "stage.json").write_text(json.dumps(record))
    page = write_report(copied).read_text()
    HTMLParser().feed(page)
    assert page.count('<svg class="curves"') == 1
    assert "loss, each step and smoothed" in page
    row = '<tr><th scope="row">held-back KL</th><td>0.75</td><td>0.5</td><td>0.5</td></tr>'
    assert row in page
