"""Tiny children on disk, whose layers differ in all ways that engines stumble over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

WriteChild = Callable[..., Path]
SIZES = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=6, max_position_embeddings=128)
HEADS = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=8)
MIXED: Mapping[int, Mapping[str, object]] = {
    1: {"skip": ["attention"], "intermediate_size": 41},
    2: {"skip": ["mlp"], "num_key_value_heads": 1},
    3: {"skip": ["attention", "mlp"]},
    4: {"num_key_value_heads": 4, "intermediate_size": 96},
    5: {"skip": ["attention"]},
}


def make_child(**settings: object) -> BlockwrightForCausalLM:
    """A seeded child whose norms and biases are not those of a fresh model."""
    torch.manual_seed(11)
    config = BlockwrightConfig(**{**SIZES, **HEADS, "per_layer_config": MIXED, "initializer_range": 0.3, **settings})
    model = BlockwrightForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                weight.add_(0.3 * torch.randn_like(weight))
    return model.eval()


@pytest.fixture
def write_child(tmp_path: Path) -> WriteChild:
    """Writes a child that differs from the mixed one in the given settings, and returns its folder."""

    def write(name: str = "child", **settings: object) -> Path:
        make_child(**settings).save_pretrained(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(3, 64, (2, 9), generator=torch.Generator().manual_seed(0))
