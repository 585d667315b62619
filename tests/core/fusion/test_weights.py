"""A fused run is the parallel sum of its members to the last bits, and an ordinary child on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from blockwright.child.checkpoint import open_child, planned_tensors
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.fusion.runs import Run, find_runs, sketch_layers
from blockwright.fusion.weights import FusedSource, fuse
from blockwright.models.divergence import final_stream
from blockwright.models.stack import LayerStack

MakeChild = Callable[..., LayerStack]
FAMILIES: dict[str, dict[str, object]] = {
    "llama": {},
    "biases everywhere": {"attention_bias": True, "attention_output_bias": True, "mlp_bias": True},
    "qwen2": {"attention_bias": True},
    "qwen3": {"qk_norm": True, "tie_word_embeddings": True},
    "gelu": {"hidden_act": "gelu", "mlp_bias": True},
}


def in_float64(stack: LayerStack) -> LayerStack:
    return LayerStack(stack.config, stack.source, torch.float64)


def parallel_sum(child: LayerStack, run: Run, stream: Tensor) -> Tensor:
    """X + Σ_j FFN_j(norm_j(X)), with the norms in float64 too."""
    total = stream.clone()
    for index in run.layers:
        layer = child.layer(index)
        norm, eps = layer.post_attention_layernorm.weight, child.config.rms_norm_eps
        normed = stream * torch.rsqrt(stream.square().mean(-1, keepdim=True) + eps) * norm
        total += layer.mlp(normed)
    return total


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("members", [2, 3, 16])
def test_a_fused_run_is_the_parallel_sum_in_float64(make_child: MakeChild, family: str, members: int) -> None:
    widths = [8 + 5 * (layer % 7) for layer in range(members)]
    overrides = {layer: {"skip": ["attention"], "intermediate_size": width} for layer, width in enumerate(widths)}
    child = in_float64(make_child(members, per_layer_config=overrides, **FAMILIES[family]))
    run = Run(tuple(range(members)), tuple(widths))
    stream = torch.randn(3, 5, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = parallel_sum(child, run, stream)
    actual = parallel_sum(fuse(child, [run]), Run((0,), (sum(widths),)), stream)
    assert float((actual - expected).norm() / expected.norm()) <= 1e-14
    assert float((expected - stream).norm() / stream.norm()) > 0.1


def test_what_is_not_fused_is_the_childs_own(make_child: MakeChild) -> None:
    child = make_child()
    fused = fuse(child, [Run((1, 2), (12, 20))])
    for name in fused.source.names():
        wide = name.startswith("model.layers.1.") and ("mlp" in name or "post_attention" in name)
        assert wide or torch.equal(fused.read(name), child.read(name))
    gone = set(child.source.names()) - set(fused.source.names())
    assert gone == {name for name in child.source.names() if name.startswith("model.layers.2.")}
    with pytest.raises(KeyError, match=r"layers\.2"):
        fused.source.read("model.layers.2.mlp.up_proj.weight")


def test_a_fused_child_has_all_weights_that_its_config_asks_for(make_child: MakeChild) -> None:
    child = make_child(mlp_bias=True)
    fused = fuse(child, find_runs(sketch_layers(child.config)))
    planned = {tensor.name: tensor.shape for tensor in planned_tensors(fused.config)}
    assert set(planned) == set(fused.source.names())
    assert all(tuple(fused.read(name).shape) == shape for name, shape in planned.items())
    assert fused.config.layer(1).intermediate_size == 12 + 20 + 32 + 8
    assert [fused.config.layer(layer).skip for layer in (2, 3, 4)] == [["attention", "mlp"]] * 3
    assert sum(map(torch.numel, map(fused.read, planned))) == sum(
        child.read(name).numel() for name in child.source.names()
    ) - 3 * (24 + 24)  # norms and biases of the output are there once


def test_a_fused_child_is_saved_loaded_and_generates_with_its_cache(
    make_child: MakeChild, tokens: Tensor, tmp_path: Path
) -> None:
    child = make_child()
    fused = fuse(child, [Run((1, 2, 4), (12, 20, 32))])
    model = BlockwrightForCausalLM(fused.config)
    model.load_state_dict({name: fused.read(name) for name in fused.source.names()}, strict=True)
    model.save_pretrained(tmp_path / "fused")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "fused").eval()
    stream = final_stream(open_child(tmp_path / "fused"), tokens)
    with torch.no_grad():
        torch.testing.assert_close(loaded(tokens).logits, fused.head()(stream), atol=1e-4, rtol=1e-4)
    settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0, "attention_mask": torch.ones_like(tokens)}
    with_cache = loaded.generate(tokens, **settings)
    assert torch.equal(with_cache, loaded.generate(tokens, use_cache=False, **settings))
    assert loaded.config.layer_types[2] == "moe"


def test_weights_of_half_precision_are_folded_without_rounding(make_child: MakeChild) -> None:
    child = make_child()

    class Halved(FusedSource):
        def read(self, name: str) -> Tensor:
            return self.source.read(name).bfloat16()

    fused = FusedSource(Halved(child.source, []), [Run((1, 2), (12, 20))])
    gate = fused.read("model.layers.1.mlp.gate_proj.weight")
    layers = [child.layer(index) for index in (1, 2)]
    rows = [
        layer.mlp.gate_proj.weight.bfloat16().double() * layer.post_attention_layernorm.weight.bfloat16().double()
        for layer in layers
    ]
    assert torch.equal(gate, torch.cat(rows))
    assert fused.read("model.layers.1.post_attention_layernorm.weight").dtype == torch.bfloat16
