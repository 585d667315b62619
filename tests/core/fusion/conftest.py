"""Children on disk with runs of FFNs of unequal widths, whose outputs really depend on each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from blockwright.child.checkpoint import open_child
from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.models.stack import LayerStack

MakeChild = Callable[..., LayerStack]
RUN_OF_FOUR: Mapping[int, Mapping[str, object]] = {
    1: {"intermediate_size": 12},
    2: {"skip": ["attention"], "intermediate_size": 20},
    3: {"skip": ["attention", "mlp"]},
    4: {"skip": ["attention"]},
    5: {"skip": ["attention"], "intermediate_size": 8},
}


@pytest.fixture
def make_child(tmp_path: Path) -> MakeChild:
    """A seeded child of `layers` layers: hidden 24, FFNs of 32 unless `per_layer_config` says otherwise."""

    def make(layers: int = 8, **settings: object) -> LayerStack:
        torch.manual_seed(7)
        sizes = dict(vocab_size=64, hidden_size=24, intermediate_size=32, num_hidden_layers=layers)
        heads = dict(num_attention_heads=6, num_key_value_heads=3, head_dim=8, max_position_embeddings=128)
        settings = {"per_layer_config": RUN_OF_FOUR, **settings}
        model = BlockwrightForCausalLM(BlockwrightConfig(**sizes, **heads, initializer_range=0.25, **settings))
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" in name or name.endswith("bias"):
                    weight.add_(0.3 * torch.randn_like(weight))
        folder = tmp_path / f"child-{len(list(tmp_path.iterdir()))}"
        model.save_pretrained(folder)
        return open_child(folder)

    return make


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(1, 64, (4, 12), generator=torch.Generator().manual_seed(0))
