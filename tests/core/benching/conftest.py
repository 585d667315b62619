"""A tiny child whose layers differ from its parent's, as a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM

SIZES = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=6, max_position_embeddings=128)
HEADS = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=8, tie_word_embeddings=True)
LAYERS = {
    1: {"skip": ["attention"], "intermediate_size": 16},
    2: {"num_key_value_heads": 1},
    4: {"skip": ["attention"]},
}


@pytest.fixture(scope="session")
def child_config() -> BlockwrightConfig:
    return BlockwrightConfig(**SIZES, **HEADS, per_layer_config=LAYERS)


@pytest.fixture(scope="session")
def child_folder(tmp_path_factory: pytest.TempPathFactory, child_config: BlockwrightConfig) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("benched") / "child"
    BlockwrightForCausalLM(child_config).save_pretrained(folder)
    return folder
