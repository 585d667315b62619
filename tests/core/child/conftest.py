"""Tiny children whose layers differ in every way that the built-in variants allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

Overrides = Mapping[int, Mapping[str, object]]
MakeChild = Callable[..., BlockwrightForCausalLM]

MIXED: Overrides = {
    0: {"skip": ["attention"]},
    1: {"skip": ["mlp"]},
    2: {"num_key_value_heads": 1, "intermediate_size": 16},
    3: {"skip": ["attention", "mlp"]},
    4: {"attention_kind": "linear", "mlp_kind": "linear"},
    6: {"intermediate_size": 40},
    7: {"skip": ["attention"]},
}
CHILDREN: Mapping[str, Mapping[str, object]] = {
    "layers that differ": {"per_layer_config": MIXED},
    "no attention anywhere": {"per_layer_config": {layer: {"skip": ["attention"]} for layer in range(8)}},
    "linear attention anywhere": {"per_layer_config": {layer: {"attention_kind": "linear"} for layer in range(8)}},
    "tied, biased, normed": {
        "per_layer_config": MIXED,
        "tie_word_embeddings": True,
        "attention_bias": True,
        "attention_output_bias": True,
        "mlp_bias": True,
        "qk_norm": True,
    },
    "a window in some layers": {
        "per_layer_config": MIXED,
        "sliding_window": 5,
        "layer_types": ["sliding_attention", "full_attention"] * 4,
    },
    "a window of one layer's own": {"per_layer_config": {**MIXED, 5: {"sliding_window": 3}}},
    "layers side by side": {"per_layer_config": MIXED, "parallel_windows": [[4, 5], [1, 3]]},
    "all layers alike": {},
}


def child(**settings: object) -> BlockwrightForCausalLM:
    """A seeded child with weights large enough that its tokens differ."""
    torch.manual_seed(7)
    sizes = dict(vocab_size=64, hidden_size=24, intermediate_size=32, num_hidden_layers=8)
    heads = dict(num_attention_heads=6, num_key_value_heads=3, head_dim=8, max_position_embeddings=128)
    model = BlockwrightForCausalLM(BlockwrightConfig(**sizes, **heads, initializer_range=0.4, **settings))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                weight.add_(0.3 * torch.randn_like(weight))
    return model.eval()


@pytest.fixture
def make_child() -> MakeChild:
    return child


@pytest.fixture(params=CHILDREN, ids=lambda name: name.replace(" ", "-"))
def any_child(request: pytest.FixtureRequest) -> BlockwrightForCausalLM:
    return child(**CHILDREN[request.param])


@pytest.fixture
def mixed_child() -> BlockwrightForCausalLM:
    return child(**CHILDREN["layers that differ"])


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(1, 64, (3, 11), generator=torch.Generator().manual_seed(0))
