"""Models whose sizes were published come out with their parameters, to the last one."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from blockwright.graph.building import Outline, graph_of
from blockwright.variants import SLOTS, SubBlockShape
from blockwright_plugins.variants import register_block_variants

VARIANTS = {(variant.slot, variant.kind): variant() for variant in register_block_variants()}


class Published(NamedTuple):
    """Sizes as a model's config.json has them."""

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    width: int
    layers: int
    vocabulary: int
    tied: bool
    parameters: int
    qkv_bias: bool = False
    qk_norm: bool = False


MODELS = {
    "SmolLM2-135M": Published(576, 9, 3, 64, 1536, 30, 49152, True, 134_515_008),
    "Llama-3.2-1B": Published(2048, 32, 8, 64, 8192, 16, 128256, True, 1_235_814_400),
    "Llama-3.1-8B": Published(4096, 32, 8, 128, 14336, 32, 128256, False, 8_030_261_248),
    "Llama-3.3-70B": Published(8192, 64, 8, 128, 28672, 80, 128256, False, 70_553_706_496),
    "Llama-3.1-405B": Published(16384, 128, 8, 128, 53248, 126, 128256, False, 405_853_388_800),
    "Mistral-7B-v0.1": Published(4096, 32, 8, 128, 14336, 32, 32000, False, 7_241_732_096),
    "Qwen2.5-0.5B": Published(896, 14, 2, 64, 4864, 24, 151936, True, 494_032_768, qkv_bias=True),
    "Qwen3-0.6B": Published(1024, 16, 8, 128, 3072, 28, 151936, True, 596_049_920, qk_norm=True),
}


def outline(model: Published) -> Outline:
    shapes = {
        slot: SubBlockShape(
            slot, model.hidden, model.heads, model.kv_heads, model.head_dim, model.width,
            qkv_bias=model.qkv_bias, qk_norm=model.qk_norm,
        )
        for slot in SLOTS
    }  # fmt: skip
    return Outline(shapes, model.layers, model.vocabulary, model.tied)


@pytest.mark.parametrize("name", MODELS)
def test_a_published_model_has_its_published_parameters(name: str) -> None:
    assert graph_of(outline(MODELS[name]), {}, VARIANTS).params == MODELS[name].parameters


def test_the_cache_of_llama_3_70b_takes_320_kib_a_token_at_bf16() -> None:
    graph = graph_of(outline(MODELS["Llama-3.3-70B"]), {}, VARIANTS)
    assert graph.kv_bytes_per_token("bf16") == 320 * 2**10
