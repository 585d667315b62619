"""`vllm`: a Nemotron-NAS checkpoint that says of every layer what it is, and nothing that vLLM would get wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from blockwright.errors import UserError
from blockwright.exporting.exporting import export_child
from blockwright.exporting.origin import Origin
from blockwright.exporting.requests import make_exporter

WriteChild = Callable[..., Path]


def export(child: Path, *options: str) -> Path:
    destination = child.with_name("exported")
    export_child(make_exporter("vllm", options), child, destination, Origin("tiny"))
    return destination


def config_of(exported: Path) -> dict[str, object]:
    data: dict[str, object] = json.loads((exported / "config.json").read_text())
    return data


def test_every_layer_has_its_entry_and_removed_parts_have_no_number(write_child: WriteChild) -> None:
    config = config_of(export(write_child()))
    assert config["architectures"] == ["DeciLMForCausalLM"] and config["model_type"] == "nemotron-nas"
    assert config["num_key_value_heads"] is None and config["intermediate_size"] is None
    assert config["rope_theta"] == 10000.0
    blocks = config["block_configs"]
    assert isinstance(blocks, list)
    told = [(each["attention"]["n_heads_in_group"], each["ffn"]["intermediate_size"]) for each in blocks]
    assert told == [(2, 64), (None, 41), (4, None), (None, None), (1, 96), (None, 64)]
    assert [each["attention"]["no_op"] for each in blocks] == [False, True, False, True, False, True]
    assert [each["ffn"]["no_op"] for each in blocks] == [False, False, True, True, False, False]
    assert not [each for each in blocks if "ffn_mult" in each["ffn"]], "vLLM rounds widths up where it is there"


@pytest.mark.parametrize("tied", [True, False])
def test_tensors_are_the_childs_own_and_a_tied_head_is_not_stored(write_child: WriteChild, tied: bool) -> None:
    child = write_child(tie_word_embeddings=tied)
    written, own = load_file(export(child) / "model.safetensors"), load_file(child / "model.safetensors")
    assert ("lm_head.weight" in written) is not tied
    assert written.keys() == own.keys()
    assert all(torch.equal(written[name], own[name]) for name in own)
    assert not [name for name in written if name.startswith("model.layers.3.")]


def test_a_child_that_begins_without_attention_gets_one_that_adds_nothing(write_child: WriteChild) -> None:
    settings = dict(attention_bias=True, attention_output_bias=True)
    child = write_child(per_layer_config={0: {"skip": ["attention", "mlp"]}, 1: {"skip": ["attention"]}}, **settings)
    exported = export(child)
    blocks = config_of(exported)["block_configs"]
    assert isinstance(blocks, list)
    assert blocks[0]["attention"]["no_op"] and blocks[1]["attention"] == {
        "no_op": False, "n_heads_in_group": 4, "replace_with_linear": False
    }  # fmt: skip
    weights = load_file(exported / "model.safetensors")
    added = {name: tensor for name, tensor in weights.items() if name.startswith("model.layers.1.self_attn")}
    assert {name.removeprefix("model.layers.1.self_attn."): tuple(each.shape) for name, each in added.items()} == {
        "q_proj.weight": (32, 32), "k_proj.weight": (8, 32), "v_proj.weight": (8, 32), "o_proj.weight": (32, 32),
        "q_proj.bias": (32,), "k_proj.bias": (8,), "v_proj.bias": (8,), "o_proj.bias": (32,),
    }  # fmt: skip
    assert not any(tensor.any() for tensor in added.values())
    assert "begins without attention" in (exported / "README.md").read_text()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"per_layer_config": {2: {"attention_kind": "linear"}}}, "layer 2: vLLM knows no 'linear' attention"),
        ({"per_layer_config": {1: {"mlp_kind": "linear"}}}, "layer 1: vLLM knows no 'linear' FFN"),
        ({"per_layer_config": {layer: {"skip": ["attention"]} for layer in range(6)}}, "no layer has attention"),
        ({"qk_norm": True}, "qk_norm"),
        ({"parallel_windows": [[3, 4]]}, "some of its layers run in parallel"),
        ({"hidden_act": "gelu"}, "its FFNs use gelu"),
        ({"attention_output_bias": True}, "only its output projections have biases"),
        ({"sliding_window": 16}, "layer 0, 2, 4: its attention sees a window of 16 tokens only"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, "of type 'dynamic'"),
    ],
)
def test_what_vllm_would_get_wrong_is_refused(
    write_child: WriteChild, settings: dict[str, object], reason: str, tmp_path: Path
) -> None:
    child = write_child(**settings)
    with pytest.raises(UserError, match=reason):
        export(child)
    assert not (tmp_path / "exported").exists()


def test_gpus_that_share_layers_must_be_able_to(write_child: WriteChild) -> None:
    child = write_child()
    with pytest.raises(UserError, match="layer 1: an FFN of 41 channels cannot be divided among 2 GPUs"):
        export(child, "tensor_parallel=2")
    with pytest.raises(UserError, match="layer 1: an FFN of 41 channels is no multiple of 32"):
        export(child, "width_multiple=32")
    with pytest.raises(UserError, match="4 attention heads cannot be divided among 3 GPUs"):
        export(child, "tensor_parallel=3")
    fitting = write_child("fitting", per_layer_config={2: {"num_key_value_heads": 1}})
    export(fitting, "tensor_parallel=2")
    assert "--tensor-parallel-size 2" in (fitting.with_name("exported") / "README.md").read_text()


def test_query_biases_without_an_output_bias_are_told_apart(write_child: WriteChild) -> None:
    config = config_of(export(write_child(attention_bias=True)))
    assert config["attention_bias"] is False and config["qkv_bias"] is True


def test_the_config_class_comes_with_the_checkpoint(write_child: WriteChild, tmp_path: Path) -> None:
    exported = export(write_child())
    config = AutoConfig.from_pretrained(exported, trust_remote_code=True)
    assert config.block_configs[1].ffn.intermediate_size == 41
    assert not hasattr(config.block_configs[1].ffn, "ffn_mult")
    config.save_pretrained(tmp_path / "again")
    assert config_of(tmp_path / "again")["block_configs"] == config_of(exported)["block_configs"]


PLUGIN = """
import sys
from importlib.metadata import entry_points
(point,) = entry_points(group="vllm.general_plugins", name="blockwright")
point.load()
print(*sorted(name for name in sys.modules if name.partition(".")[0] in ("blockwright", "torch", "transformers")))
point.load()()
from transformers import AutoConfig
print(AutoConfig.from_pretrained(sys.argv[1], trust_remote_code=False).block_configs[4].attention.n_heads_in_group)
"""


def test_vllm_reads_it_without_remote_code_through_our_entry_point(write_child: WriteChild) -> None:
    assert [point.name for point in entry_points(group="vllm.general_plugins", name="blockwright")]
    command = [sys.executable, "-c", PLUGIN, str(export(write_child()))]
    imported, group = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert imported == "", "loading the plugin imports none of Blockwright's engine"
    assert group == "1"
