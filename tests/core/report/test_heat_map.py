"""Scores as cells: a logarithmic scale, variants from large to small, and the search's choice marked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blockwright.report.heat_map import heat_maps
from blockwright.report.heat_scale import STEPS, Scale
from blockwright.report.reading import Record

TABLE = {
    "attention.0": {"keep": 0.0, "kv_heads=1": 0.01, "skip": 1.0},
    "attention.2": {"keep": 0.0, "skip": 0.1},
    "ffn.0": {"keep": 0.0, "narrow=8": 1e-9},
}


def test_scale_takes_equal_ratios_in_equal_steps() -> None:
    scale = Scale(1e-3, 1.0)
    assert [scale.step(score) for score in (0.0, -0.1, 1e-3, 1.0)] == [0, 0, 1, STEPS]
    assert [scale.step(bound * 1.001) for bound in scale.bounds[:-1]] == list(range(1, STEPS + 1))
    assert scale.bounds[3] == pytest.approx(1e-2)


def test_scale_does_not_stretch_for_a_score_of_next_to_nothing() -> None:
    scale = Scale.of(TABLE)
    assert scale is not None
    assert scale.least == pytest.approx(1e-5)
    assert scale.step(1e-9) == 1


def test_single_score_fills_the_scale() -> None:
    scale = Scale.of({"ffn.0": {"keep": 0.0, "skip": 0.3}})
    assert scale is not None
    assert scale.step(0.3) == STEPS


def test_nothing_is_drawn_where_nothing_loses_anything() -> None:
    assert heat_maps({"ffn.0": {"keep": 0.0}}, None, {}) == ()
    assert heat_maps({}, None, {}) == ()


def test_tooltips_tell_sub_block_variant_score_and_choice() -> None:
    attention, ffn = heat_maps(TABLE, None, {"attention.0": "kv_heads=1"})
    assert "<title>attention.0, kv_heads=1: 0.01 nats per token, chosen</title>" in attention.svg()
    assert "<title>attention.2, skip: 0.1 nats per token</title>" in attention.svg()
    assert attention.svg().count('class="chosen"') == 1
    assert 'class="chosen"' not in ffn.svg()


def test_variant_that_a_layer_does_not_have_leaves_its_place_empty() -> None:
    attention, _ = heat_maps(TABLE, None, {})
    assert len(re.findall("<rect", attention.svg())) == 5


def test_variants_stand_from_the_largest_to_the_smallest(finished: Path) -> None:
    record = Record(finished)
    attention, ffn = heat_maps(record.scores, record.costs, {})
    assert attention.labels == ("keep", "kv_heads=1", "linear", "skip")
    assert ffn.labels == ("keep", "narrow=24", "skip")
