"""`block-parallel` keeps the transform contract, and its child runs layers side by side everywhere or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from blockwright.contracts.small_children import small_child, small_tokens
from blockwright.contracts.transforms import TRANSFORM_CONTRACT
from blockwright.errors import UserError
from blockwright.models.divergence import final_stream
from blockwright.transforms import Transform, TransformContext, Transformed
from blockwright_plugins.transforms.block_parallel import BlockParallel, BlockParallelOptions
from blockwright_plugins.transforms.ffn_fusion import FFNFusion, FFNFusionOptions


def applied(folder: Path, child: str = "whole", **options: object) -> Transformed:
    stack, graph = small_child(child)
    transform = BlockParallel(BlockParallelOptions.model_validate(options))
    return transform.apply(TransformContext(stack, graph, small_tokens(), folder, seed=0))


@pytest.mark.parametrize("rule", TRANSFORM_CONTRACT, ids=lambda rule: rule.__name__)
def test_it_keeps_the_contract(rule: Callable[[Transform], None]) -> None:
    rule(BlockParallel(BlockParallelOptions(size=3, windows=2)))


def test_the_least_dependent_layers_run_side_by_side(tmp_path: Path) -> None:
    result = applied(tmp_path, size=2, windows=2)
    values = result.dependencies[0].values
    assert len(result.joined) == 2
    assert result.child.config.parallel_windows == [
        [int(parts[0].split(".")[1]), int(parts[-1].split(".")[1])] for parts in result.joined
    ]
    most = [max(values[i][j] for i in span for j in span if i < j) for span in map(_layers, result.joined)]
    assert min(most) == min(values[layer][layer + 1] for layer in range(6))
    stack, _ = small_child("whole")
    tokens = small_tokens()["heldback"]
    assert not torch.allclose(final_stream(result.child, tokens), final_stream(stack, tokens), atol=1e-3)


def _layers(parts: tuple[str, ...]) -> list[int]:
    return [int(part.split(".")[1]) for part in parts]


def test_the_last_layer_stays_in_its_place_unless_it_is_let_in(tmp_path: Path) -> None:
    without = applied(tmp_path, "hardly anything", size=2, exclude_last=True)
    assert without.joined == (("layer.2", "layer.4"),) or without.joined == (("layer.4", "layer.5"),)
    (both,) = applied(tmp_path, "hardly anything", size=4, exclude_last=False).joined
    assert both[-1] == "layer.6"


def test_a_threshold_may_leave_the_child_as_it_is(tmp_path: Path) -> None:
    result = applied(tmp_path, threshold=0.0)
    assert result.joined == ()
    assert result.notes == ("no layers may run side by side: nothing changed",)


def test_it_follows_a_fusion_and_not_the_other_way_round(tmp_path: Path) -> None:
    stack, graph = small_child("runs with holes")
    (tmp_path / "after").mkdir()
    fused = FFNFusion(FFNFusionOptions()).apply(TransformContext(stack, graph, small_tokens(), tmp_path, seed=0))
    context = TransformContext(fused.child, fused.graph, small_tokens(), tmp_path / "after", seed=0)
    both = BlockParallel(BlockParallelOptions(size=2)).apply(context)
    assert any(node.members for node in both.graph.sub_blocks)
    (tmp_path / "again").mkdir()
    again = TransformContext(both.child, both.graph, small_tokens(), tmp_path / "again", seed=0)
    for transform in (FFNFusion(FFNFusionOptions()), BlockParallel(BlockParallelOptions())):
        with pytest.raises(UserError, match="of this child run side by side"):
            transform.apply(again)
