"""Published configs, and what of them a child cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.importing.block_configs import child_settings, rope_parameters, width_of
from blockwright.importing.importing import imported_graph

PUBLISHED = Path(__file__).parents[3] / "benchmarks" / "data"


def nemotron(name: str) -> dict[str, object]:
    """A published model's config, put together from its layers' facts as they are in its own `config.json`."""
    facts = json.loads((PUBLISHED / f"{name}.json").read_text())
    blocks = [
        {
            "attention": {"no_op": kv == 0, "n_heads_in_group": facts["num_attention_heads"] // kv if kv else None},
            "ffn": {"no_op": width == 0, "ffn_mult": multiplier},
        }
        for kv, width, multiplier in facts["layers"]
    ]
    sizes = {key: facts[key] for key in ("hidden_size", "num_attention_heads", "head_dim", "vocab_size")}
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope["original_max_position_embeddings"] = 8192
    return {
        **sizes,
        "model_type": "nemotron-nas",
        "num_hidden_layers": len(blocks),
        "max_position_embeddings": 131072,
        "block_configs": blocks,
        "rope_theta": 500000.0,
        "rope_scaling": rope,
        "attention_bias": False,
    }


@pytest.mark.parametrize(
    ("name", "billions", "attentions"), [("nemotron-super-49b", 49.87, 49), ("nemotron-ultra-253b", 253.4, 64)]
)
def test_published_models_have_the_sizes_that_they_are_named_after(
    name: str, billions: float, attentions: int, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(nemotron(name)))
    graph = imported_graph(tmp_path)
    assert graph.params / 1e9 == pytest.approx(billions, rel=2e-3)
    assert sum(node.kind == "attention" for node in graph.sub_blocks) == attentions


def test_every_width_of_a_published_model_is_read_from_its_multiplier() -> None:
    facts = json.loads((PUBLISHED / "nemotron-super-49b.json").read_text())
    assert [width_of(multiplier, facts["hidden_size"]) for _, width, multiplier in facts["layers"]] == [
        width for _, width, _ in facts["layers"]
    ]


def test_most_layers_say_what_the_parent_was() -> None:
    settings = child_settings(nemotron("nemotron-super-49b"))
    assert settings["intermediate_size"] == 28672 and settings["num_key_value_heads"] == 8
    overrides = settings["per_layer_config"]
    assert isinstance(overrides, dict)
    assert overrides[0] == {"intermediate_size": 14336}
    assert 1 not in overrides
    assert overrides[42] == {"intermediate_size": 7168, "skip": ["attention"]}


def test_positions_of_old_and_new_configs_are_read_alike() -> None:
    old = {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}}
    new = {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}}
    assert rope_parameters(old) == rope_parameters(new)
    assert rope_parameters({}) == {"rope_type": "default", "rope_theta": 10000.0}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "nemotron_h"}, "model_type: 'nemotron_h' is none of nemotron-nas, llama"),
        ({"quantization_config": {"bits": 4}}, "its weights are quantised"),
        ({"model_type": "mistral", "sliding_window": 4096}, "sliding_window: windows of attention"),
        ({"block_configs": None}, "has no block_configs"),
        ({"num_hidden_layers": 3}, "has 80 entries for 3 layers"),
        ({"attention": {"mamba": {"state_dim": 1}}}, "block_configs.7.attention.mamba: this kind of attention"),
        ({"attention": {"num_sink_tokens": 4}}, "block_configs.7.attention.num_sink_tokens"),
        ({"ffn": {"moe": {"num_local_experts": 8}}}, "block_configs.7.ffn.moe: experts"),
        ({"ffn": {"sparsify": ["a"]}}, "block_configs.7.ffn.sparsify"),
        ({"parallel_blocks": [{}]}, "block_configs.7.parallel_blocks"),
    ],
)
def test_what_a_child_cannot_be_is_told_with_its_place(change: dict[str, object], told: str) -> None:
    config = nemotron("nemotron-super-49b")
    if change.keys() & {"attention", "ffn", "parallel_blocks"}:
        blocks = config["block_configs"]
        assert isinstance(blocks, list)
        for part, values in change.items():
            blocks[7][part] = {**blocks[7][part], **values} if isinstance(values, dict) else values
    else:
        config |= change
    with pytest.raises(UserError, match=told):
        child_settings(config)
