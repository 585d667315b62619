"""The dependency matrix is what removing one part after the other from the whole model shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.fusion.dependencies import block_dependencies, ffn_dependencies
from blockwright.fusion.runs import Run, find_runs, sketch_layers
from blockwright.models.stack import LayerStack

MakeChild = Callable[..., LayerStack]


def without(child: LayerStack, layer: int, parts: list[str]) -> LayerStack:
    """The child with parts of a layer skipped; their weights are simply not read."""
    data = child.config.to_dict()
    overrides = {int(index): dict(values) for index, values in data.pop("per_layer_config").items()}
    overrides[layer] = {**overrides.get(layer, {}), "skip": parts}
    return LayerStack(BlockwrightConfig(**data, per_layer_config=overrides), child.source)


def contributions(child: LayerStack, tokens: Tensor, ffn_only: bool) -> dict[int, Tensor]:
    """What the FFN of each layer, or the whole layer, adds to the stream."""
    stream, arguments, found = child.embed(tokens), child.attention_arguments(tokens.shape[1]), {}
    for index in range(len(child)):
        layer = child.layer(index)
        with torch.no_grad():
            attended = layer.attend(stream, **arguments)
            middle = stream if attended is None else stream + attended
            after = layer(stream, **arguments)
        found[index] = after - (middle if ffn_only else stream)
        stream = after
    return found


def distance(one: Tensor, other: Tensor) -> float:
    return float((1 - torch.nn.functional.cosine_similarity(one, other, dim=-1)).mean())


def test_dependencies_of_ffns_are_those_of_the_model_without_one_of_them(make_child: MakeChild, tokens: Tensor) -> None:
    child = make_child()
    (run,) = find_runs(sketch_layers(child.config))
    assert run.layers == (1, 2, 4, 5)
    found, whole = ffn_dependencies(child, tokens, [run])[run], contributions(child, tokens, ffn_only=True)
    for i, removed in enumerate(run.layers):
        skipped = [*child.config.layer(removed).skip, "mlp"]
        fewer = contributions(without(child, removed, skipped), tokens, ffn_only=True)
        for j, layer in enumerate(run.layers):
            expected = distance(whole[layer], fewer[layer]) if i < j else 0.0
            assert found[i][j] == pytest.approx(expected, abs=1e-5)
    assert min(found[0][1:]) > 1e-3


def test_dependencies_of_blocks_are_those_of_the_model_without_one_of_them(
    make_child: MakeChild, tokens: Tensor
) -> None:
    child = make_child(5, per_layer_config={1: {"skip": ["attention"]}, 3: {"skip": ["attention", "mlp"]}})
    found, whole = block_dependencies(child, tokens, reach=5), contributions(child, tokens, ffn_only=False)
    for i in range(5):
        fewer = contributions(without(child, i, ["attention", "mlp"]), tokens, ffn_only=False)
        for j in range(5):
            expected = distance(whole[j], fewer[j]) if i < j and 3 not in (i, j) else 0.0
            assert found[i][j] == pytest.approx(expected, abs=1e-5)


def test_a_block_is_looked_at_only_as_far_as_asked(make_child: MakeChild, tokens: Tensor) -> None:
    child = make_child(6, per_layer_config={})
    near, far = block_dependencies(child, tokens, reach=2), block_dependencies(child, tokens, reach=6)
    for i in range(6):
        for j in range(6):
            assert near[i][j] == (far[i][j] if j - i <= 2 else 0.0)


def test_several_runs_are_measured_in_one_walk(make_child: MakeChild, tokens: Tensor) -> None:
    free = {layer: {"skip": ["attention"]} for layer in (1, 2, 4, 5)}
    child = make_child(7, per_layer_config=free)
    runs = find_runs(sketch_layers(child.config))
    assert [str(run) for run in runs] == ["0-2", "3-5"]
    together = ffn_dependencies(child, tokens, runs)
    assert list(together) == list(runs)
    assert together[runs[1]] == ffn_dependencies(child, tokens, runs[1:])[runs[1]]


def test_parts_that_do_not_lean_on_each_other_are_told(make_child: MakeChild, tokens: Tensor) -> None:
    """An FFN that adds nearly nothing changes nothing after it."""
    child = make_child()
    child.source = Quiet(child.source.read)  # type: ignore[assignment]
    run = Run((1, 2, 4, 5), (12, 20, 32, 8))
    matrix = ffn_dependencies(child, tokens, [run])[run]
    assert max(matrix[1]) < 1e-5
    assert max(matrix[0]) > 1e-3


class Quiet:
    """Weights in which layer 2 hardly says anything."""

    def __init__(self, read: Callable[[str], Tensor]) -> None:
        self._read = read

    def read(self, name: str) -> Tensor:
        return self._read(name) * (1e-6 if name == "model.layers.2.mlp.down_proj.weight" else 1)
