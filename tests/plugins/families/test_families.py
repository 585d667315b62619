"""Every family against transformers' own model: the logits of the stack and of the child class are the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.errors import UserError
from blockwright.models.stack import run_layers
from blockwright.parent import ModelFamily, Parent, open_parent
from blockwright_plugins.families.llama import Llama
from blockwright_plugins.families.mistral import Mistral
from blockwright_plugins.families.qwen2 import Qwen2
from blockwright_plugins.families.qwen3 import Qwen3

FAMILIES: Mapping[str, ModelFamily] = {"llama": Llama(), "mistral": Mistral(), "qwen2": Qwen2(), "qwen3": Qwen3()}
CLASSES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "mistral": (MistralConfig, MistralForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
SIZES = dict(vocab_size=60, hidden_size=24, intermediate_size=40, num_hidden_layers=4, max_position_embeddings=32)
HEADS = dict(num_attention_heads=6, num_key_value_heads=2, initializer_range=0.3, bos_token_id=3, pad_token_id=0)
MODELS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "llama": ("llama", {"eos_token_id": [4, 5]}),
    "llama-tied": ("llama", {"tie_word_embeddings": True}),
    "llama-biased": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama-head-dim": ("llama", {"head_dim": 8}),
    "llama-gelu": ("llama", {"hidden_act": "gelu_pytorch_tanh"}),
    "llama-linear-rope": ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}}),
    "llama-dynamic-rope": ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 500.0}}),
    "llama-yarn": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "yarn",
                "factor": 2.0,
                "rope_theta": 500.0,
                "original_max_position_embeddings": 16,
            }
        },
    ),
    "llama-llama3-rope": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "factor": 8.0,
                "rope_theta": 500.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16,
            }
        },
    ),
    "llama-longrope": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 500.0,
                "short_factor": [1.0, 1.5],
                "long_factor": [2.0, 3.0],
                "original_max_position_embeddings": 16,
            }
        },
    ),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral-window": ("mistral", {"sliding_window": 7}),
    "qwen2": ("qwen2", {}),
    "qwen2-window": ("qwen2", {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 0}),
    "qwen2-mixed-windows": ("qwen2", {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 2}),
    "qwen3": ("qwen3", {"head_dim": 8, "tie_word_embeddings": True}),
    "qwen3-biased": ("qwen3", {"head_dim": 8, "attention_bias": True}),
    "qwen3-mixed-windows": (
        "qwen3",
        {"head_dim": 8, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    ),
}


def saved(directory: Path, family: str, **settings: object) -> PreTrainedModel:
    """A seeded tiny model of transformers' own, with norms and biases that are not their neutral values."""
    config_class, model_class = CLASSES[family]
    torch.manual_seed(3)
    model = model_class(config_class(**{**SIZES, **HEADS, **settings})).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                weight.add_(0.3 * torch.randn_like(weight))
    model.save_pretrained(directory)
    return model


def of_stack(parent: Parent, tokens: torch.Tensor) -> torch.Tensor:
    stack = parent.stack()
    return stack.head()(run_layers(stack, stack.embed(tokens)))


def of_child_class(parent: Parent, tokens: torch.Tensor) -> torch.Tensor:
    model = BlockwrightForCausalLM(parent.config).eval()
    source = parent.source()
    model.load_state_dict({name: source.read(name) for name in source.names()}, strict=False)
    model.tie_weights()
    return model(tokens).logits


@pytest.mark.parametrize("length", [6, 29, 48], ids=["short", "beyond-the-window", "beyond-the-positions"])
@pytest.mark.parametrize("name", MODELS)
def test_logits_are_transformers_own(name: str, length: int, tmp_path: Path) -> None:
    family, settings = MODELS[name]
    original = saved(tmp_path, family, **settings)
    parent = open_parent(tmp_path, FAMILIES)
    tokens = torch.randint(0, 60, (2, length), generator=torch.Generator().manual_seed(length))
    with torch.no_grad():
        expected = original(tokens, use_cache=False).logits
        for logits in (of_stack(parent, tokens), of_child_class(parent, tokens)):
            torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_a_window_changes_the_logits(tmp_path: Path) -> None:
    tokens = torch.arange(29)[None]
    logits = []
    for window in (7, None):
        saved(tmp_path / str(window), "mistral", sliding_window=window)
        logits.append(of_stack(open_parent(tmp_path / str(window), FAMILIES), tokens))
    torch.testing.assert_close(logits[0][:, :7], logits[1][:, :7])
    assert (logits[0] - logits[1])[:, 20:].abs().max() > 1e-2


def test_the_parent_carries_token_ids_and_shape(tmp_path: Path) -> None:
    saved(tmp_path, "qwen3", head_dim=8, eos_token_id=[4, 5])
    parent = open_parent(tmp_path, FAMILIES)
    assert (parent.config.bos_token_id, parent.config.eos_token_id, parent.config.pad_token_id) == (3, [4, 5], 0)
    shape = parent.shape("attention")
    assert (shape.head_dim, shape.kv_heads, shape.qk_norm, shape.qkv_bias) == (8, 2, True, False)
    assert parent.family == "qwen3"
    assert len(parent.sub_blocks()) == 8


REFUSED = {
    "partial rotary": (
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5}},
        "rotates only 0.5",
    ),
    "quantised": ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantised"),
    "experts": ({"num_experts": 8}, "mixture of experts"),
    "different already": ({"per_layer_config": {0: {"intermediate_size": 8}}}, "differ already"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_child_cannot_express_is_refused(case: str) -> None:
    settings, reason = REFUSED[case]
    with pytest.raises(UserError, match=rf"parent\.model: .*{reason}"):
        Llama().child_config(LlamaConfig(**{**SIZES, **HEADS, **settings}))


def test_all_reasons_are_given_at_once() -> None:
    settings = {"num_experts": 8, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    with pytest.raises(UserError) as refusal:
        Llama().child_config(LlamaConfig(**{**SIZES, **HEADS, **settings}))
    assert len(refusal.value.lines) == 2


def test_the_families_are_offered_by_the_plugin() -> None:
    from blockwright_plugins import families

    assert {family.model_type for family in families.register_model_families()} == set(FAMILIES)
