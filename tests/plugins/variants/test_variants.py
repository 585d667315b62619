"""The built-in variants: what they resolve to, what they count, and what they are built to."""

from __future__ import annotations

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import DecoderLayer
from blockwright.plugins import Plugins
from blockwright.variants import (
    MODULE_NAMES,
    NORM_NAMES,
    BlockVariant,
    Slot,
    SubBlockShape,
    VariantError,
    VariantSpec,
)

SIZES = {"hidden_size": 48, "attention_heads": 12, "kv_heads": 6, "head_dim": 8, "ffn_width": 40}
SHAPES = [
    {},
    {"qkv_bias": True},
    {"qkv_bias": True, "output_bias": True, "ffn_bias": True},
    {"qk_norm": True, "head_dim": 16},
]
SPECS = [
    VariantSpec("attention", "keep"),
    VariantSpec("attention", "kv_heads", (("heads", 2),)),
    VariantSpec("attention", "linear"),
    VariantSpec("attention", "skip"),
    VariantSpec("ffn", "keep"),
    VariantSpec("ffn", "narrow", (("width", 13),)),
    VariantSpec("ffn", "linear"),
    VariantSpec("ffn", "skip"),
]


def _shape(slot: Slot, **changes: object) -> SubBlockShape:
    return SubBlockShape(slot=slot, **{**SIZES, **changes})  # type: ignore[arg-type]


def _variant(slot: Slot, kind: str) -> BlockVariant:
    return Plugins.load().variants[(slot, kind)]


def _config(shape: SubBlockShape, overrides: dict[str, object]) -> BlockwrightConfig:
    return BlockwrightConfig(
        vocab_size=16,
        hidden_size=shape.hidden_size,
        num_hidden_layers=1,
        num_attention_heads=shape.attention_heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        intermediate_size=shape.ffn_width,
        attention_bias=shape.qkv_bias,
        attention_output_bias=shape.output_bias,
        mlp_bias=shape.ffn_bias,
        qk_norm=shape.qk_norm,
        per_layer_config={0: overrides} if overrides else None,
    )


@pytest.mark.parametrize("changes", SHAPES, ids=str)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.slot}-{spec.label}")
def test_parameters_are_those_of_the_module_that_the_layer_config_makes(
    spec: VariantSpec, changes: dict[str, object]
) -> None:
    shape = _shape(spec.slot, **changes)
    variant = _variant(spec.slot, spec.kind)
    layer = DecoderLayer(_config(shape, variant.layer_config(spec, shape)), 0)
    parts = (getattr(layer, MODULE_NAMES[spec.slot]), getattr(layer, NORM_NAMES[spec.slot]))
    counted = sum(weight.numel() for part in parts if part is not None for weight in part.parameters())
    assert variant.parameters(spec, shape) == counted


def test_only_attention_with_keys_and_values_has_a_cache() -> None:
    shape = _shape("attention")
    values = {spec.label: _variant("attention", spec.kind).kv_values_per_token(spec, shape) for spec in SPECS[:4]}
    assert values == {"keep": 2 * 6 * 8, "kv_heads=2": 2 * 2 * 8, "linear": 0, "skip": 0}
    assert all(_variant("ffn", spec.kind).kv_values_per_token(spec, _shape("ffn")) == 0 for spec in SPECS[4:])


@pytest.mark.parametrize(
    "kind, value, label",
    [
        ("kv_heads", 3, "kv_heads=3"),
        ("kv_heads", "50%", "kv_heads=3"),
        ("kv_heads", "25%", "kv_heads=2"),
        ("kv_heads", 6, "keep"),
    ],
)
def test_kv_heads_become_a_divisor(kind: str, value: int | str, label: str) -> None:
    variant = _variant("attention", kind)
    assert variant.resolve(variant.Options.model_validate({"heads": value}), _shape("attention")).label == label


@pytest.mark.parametrize(
    "value, label", [(13, "narrow=13"), ("50%", "narrow=20"), ("100%", "keep"), (40, "keep"), ("0.1%", "narrow=1")]
)
def test_widths_are_numbers_or_shares(value: int | str, label: str) -> None:
    variant = _variant("ffn", "narrow")
    assert variant.resolve(variant.Options.model_validate({"width": value}), _shape("ffn")).label == label


@pytest.mark.parametrize(
    "slot, kind, options, says",
    [
        ("attention", "kv_heads", {"heads": 4}, "it can take 1, 2, 3, 6"),
        ("attention", "kv_heads", {"heads": 12}, "it can take 1, 2, 3, 6"),
        ("ffn", "narrow", {"width": 41}, "does not fit the parent's FFN of 40 channels"),
    ],
)
def test_what_does_not_fit_the_parent_says_what_would(
    slot: Slot, kind: str, options: dict[str, object], says: str
) -> None:
    variant = _variant(slot, kind)
    with pytest.raises(VariantError, match=says):
        variant.resolve(variant.Options.model_validate(options), _shape(slot))


@pytest.mark.parametrize("slot, kind, option", [("attention", "kv_heads", "heads"), ("ffn", "narrow", "width")])
@pytest.mark.parametrize("value", [0, -3, "0%", "101%", "half", 2.5])
def test_sizes_that_are_none_are_refused(slot: Slot, kind: str, option: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"at least 1|percentage|valid"):
        _variant(slot, kind).Options.model_validate({option: value})


def test_merged_heads_are_the_means_of_their_groups() -> None:
    from blockwright_plugins.variants.kv_merging import _pooled

    weight = torch.randn(6 * 8, 48, generator=torch.Generator().manual_seed(0))
    pooled = _pooled(weight, 2, 8).view(2, 8, 48)
    assert torch.allclose(pooled[1], weight.view(6, 8, 48)[3:].mean(0))
