"""`ffn-fusion` keeps the transform contract, and its options choose what is joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.contracts.small_children import small_child, small_tokens
from blockwright.contracts.transforms import TRANSFORM_CONTRACT
from blockwright.transforms import Transform, TransformContext, Transformed
from blockwright_plugins.transforms.ffn_fusion import FFNFusion, FFNFusionOptions


def applied(folder: Path, child: str = "a run of FFNs", **options: object) -> Transformed:
    stack, graph = small_child(child)
    transform = FFNFusion(FFNFusionOptions.model_validate(options))
    return transform.apply(TransformContext(stack, graph, small_tokens(), folder, seed=0))


@pytest.mark.parametrize("rule", TRANSFORM_CONTRACT, ids=lambda rule: rule.__name__)
def test_it_keeps_the_contract(rule: Callable[[Transform], None]) -> None:
    rule(FFNFusion(FFNFusionOptions()))


@pytest.mark.parametrize(
    ("options", "joined"),
    [
        ({}, [(1, 2, 3, 4)]),
        ({"leading": False}, [(2, 3, 4)]),
        ({"exclude_last": False}, [(1, 2, 3, 4, 5)]),
        ({"threshold": 0.0}, []),
        ({"max_width": 47}, []),
    ],
)
def test_options_choose_what_is_joined(tmp_path: Path, options: dict[str, object], joined: list[tuple[int]]) -> None:
    result = applied(tmp_path, **options)
    assert result.joined == tuple(tuple(f"ffn.{layer}" for layer in layers) for layers in joined)
    assert len(result.dependencies) == 1
    assert (result.figures.get("FFNs joined", 0), len(result.notes)) == (sum(map(len, joined)), 1)


def test_a_maximum_width_splits_a_run(tmp_path: Path) -> None:
    result = applied(tmp_path, max_width=48)
    assert [len(parts) for parts in result.joined] == [2, 2]
    assert [node.shape.ffn_width for node in result.graph.sub_blocks if node.members and node.shape] == [48, 48]


def test_a_child_without_runs_stays_the_same(tmp_path: Path) -> None:
    stack, graph = small_child("whole")
    result = FFNFusion(FFNFusionOptions()).apply(TransformContext(stack, graph, small_tokens(), tmp_path, seed=0))
    assert result.child is stack
    assert result.graph is graph
    assert result.notes == ("no two FFNs follow each other without attention between: nothing changed",)


def test_a_killed_transform_finds_its_measurements_again(tmp_path: Path) -> None:
    first = applied(tmp_path)
    record = tmp_path / "dependencies.json"
    record.write_text(record.read_text().replace(str(first.dependencies[0].values[0][1]), "0.125"))
    assert applied(tmp_path).dependencies[0].values[0][1] == 0.125


def test_it_can_be_applied_twice(tmp_path: Path) -> None:
    stack, graph = small_child("a run of FFNs")
    narrow = FFNFusion(FFNFusionOptions(max_width=48)).apply(
        TransformContext(stack, graph, small_tokens(), tmp_path, seed=0)
    )
    (tmp_path / "again").mkdir()
    context = TransformContext(narrow.child, narrow.graph, small_tokens(), tmp_path / "again", seed=0)
    wide = FFNFusion(FFNFusionOptions(exclude_last=False)).apply(context)
    assert wide.graph["ffn.1"].members == ("ffn.1", "ffn.2", "ffn.3", "ffn.4", "ffn.5")
    assert wide.child.config.layer(1).intermediate_size == 5 * 24
