"""A tiny parent with a whole library, built once for all tests of the numeric engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from blockwright.building.library import Space, build_library
from blockwright.construction import LibrarySettings
from blockwright.library import Library
from blockwright.parent import Parent, open_parent
from blockwright.plugins import Plugins
from blockwright.variants import VariantSpec

SETTINGS = LibrarySettings(gradient_tokens=512, channels_at_once=4)


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return Plugins.load()


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory, plugins: Plugins) -> Parent:
    """A seeded Llama of three layers, six query and three KV heads, whose outputs really depend on its blocks."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("engine-parent")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=48, intermediate_size=40, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=3, initializer_range=0.15, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return open_parent(folder, plugins.families)


@pytest.fixture(scope="session")
def space(parent: Parent) -> Space:
    def spec(slot: str, kind: str, **options: int) -> VariantSpec:
        return VariantSpec(slot, kind, tuple(options.items()))  # type: ignore[arg-type]

    attention = [spec("attention", "keep"), spec("attention", "kv_heads", heads=1)]
    attention += [spec("attention", "linear"), spec("attention", "skip")]
    ffn = [spec("ffn", "keep"), spec("ffn", "narrow", width=30), spec("ffn", "narrow", width=12)]
    ffn += [spec("ffn", "linear"), spec("ffn", "skip")]
    return {sub_block: attention if sub_block.slot == "attention" else ffn for sub_block in parent.sub_blocks()}


@pytest.fixture(scope="session")
def calibration() -> torch.Tensor:
    return torch.randint(0, 64, (48, 32), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def tokens(calibration: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a library is built from."""
    heldback = torch.randint(0, 64, (16, 32), generator=torch.Generator().manual_seed(3))
    return {"calibration": calibration, "heldback": heldback}


@pytest.fixture(scope="session")
def unseen() -> torch.Tensor:
    return torch.randint(0, 64, (12, 32), generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="session")
def library(
    parent: Parent,
    space: Space,
    plugins: Plugins,
    tokens: dict[str, torch.Tensor],
    tmp_path_factory: pytest.TempPathFactory,
) -> Library:
    folder: Path = tmp_path_factory.mktemp("library")
    return build_library(parent, space, plugins.variants, tokens, SETTINGS, folder, seed=0)
