"""Runs of FFNs are found where nothing else stands between them, in small children and in the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.fusion.runs import LayerSketch, Run, find_runs, sketch_layers

DATA = Path(__file__).parent / "data"


def published(name: str) -> tuple[int, list[tuple[int, int, float]]]:
    """The parent's FFN width and the layers: KV heads, FFN width, ffn_mult."""
    data = json.loads((DATA / f"nemotron-{name}.json").read_text())
    return data["parent_ffn_width"], data["layers"]


def sketches(name: str) -> list[LayerSketch]:
    return [LayerSketch(kv_heads > 0, width) for kv_heads, width, _ in published(name)[1]]


def sketched(text: str) -> list[LayerSketch]:
    """A letter or two a layer: `a` attention, `f` an FFN of 8, `l` a linear map in its place."""
    return [LayerSketch("a" in one, None if "l" in one else 8 * ("f" in one)) for one in text.split(",")]


@pytest.mark.parametrize(
    ("layers", "with_leading", "without"),
    [
        ("af,f,f,af", [(0, 1, 2)], [(1, 2)]),
        ("af,af,af", [], []),
        ("f,f,af,f", [(0, 1), (2, 3)], [(0, 1)]),
        ("af,,f,,f,af", [(0, 2, 4)], [(2, 4)]),
        ("af,l,f,f,af", [(2, 3)], [(2, 3)]),
        ("af,f,a,f,f", [(0, 1), (3, 4)], [(3, 4)]),
        ("af,f,al,f", [(0, 1)], []),
        ("", [], []),
    ],
)
def test_only_attention_and_linear_maps_end_a_run(
    layers: str, with_leading: list[tuple[int, ...]], without: list[tuple[int, ...]]
) -> None:
    assert [run.layers for run in find_runs(sketched(layers))] == with_leading
    assert [run.layers for run in find_runs(sketched(layers), leading=False)] == without


def test_a_run_knows_its_width_and_its_name() -> None:
    run = Run((3, 5, 6), (10, 20, 40))
    assert (run.width, str(run), str(run.part(0, 1)), run.part(1, 3)) == (70, "3-6", "3", Run((5, 6), (20, 40)))


def test_a_childs_layers_are_sketched_from_its_config() -> None:
    overrides = {
        0: {"skip": ["attention"], "intermediate_size": 16},
        1: {"skip": ["attention", "mlp"]},
        2: {"attention_kind": "linear"},
        3: {"mlp_kind": "linear", "skip": ["attention"]},
        4: {"mlp_kind": "somebody's"},
    }
    config = BlockwrightConfig(intermediate_size=32, num_hidden_layers=6, per_layer_config=overrides)
    expected = [(False, 16), (False, 0), (True, 32), (False, None), (True, None), (True, 32)]
    assert sketch_layers(config) == tuple(LayerSketch(*each) for each in expected)


def test_super_49b_has_ffns_without_attention_in_layers_42_to_51_and_53_to_70() -> None:
    runs = find_runs(sketches("super-49b"), leading=False)
    assert [run.layers for run in runs] == [(6, 7), tuple(range(42, 52)), tuple(range(53, 71))]
    with_leading = find_runs(sketches("super-49b"))
    assert [str(run) for run in with_leading] == ["5-7", "10-11", "41-51", "52-70"]


def test_ultra_253b_holds_four_fused_ffns_in_one_run_with_its_last_ffn_left_out() -> None:
    width, layers = published("ultra-253b")
    fused = [(layer, mult) for layer, (_, ffn_width, mult) in enumerate(layers) if ffn_width > width]
    assert [mult for _, mult in fused] == [36.5625, 39.0, 31.40625, 27.5625]
    run = next(run for run in find_runs(sketches("ultra-253b"), leading=False) if fused[0][0] in run.layers)
    assert run.layers == (*(layer for layer, _ in fused), 150)
    assert run.widths == (399360, 425984, 343040, 301056, 21504)
