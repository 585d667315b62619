"""`puzzletron`: a checkpoint that goes out and comes back as the same child; published ones come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from blockwright.cli import app
from blockwright.errors import UserError
from blockwright.exporting.exporting import export_child
from blockwright.exporting.origin import Origin
from blockwright.exporting.requests import make_exporter
from blockwright.importing.importing import import_child, imported_graph

WriteChild = Callable[..., Path]
FAMILIES = {
    "llama": {},
    "qwen2": {"attention_bias": True},
    "qwen3": {"qk_norm": True},
}


def export(child: Path, target: str = "puzzletron") -> Path:
    destination = child.with_name(f"exported-{target}")
    export_child(make_exporter(target), child, destination, Origin("tiny"))
    return destination


@pytest.mark.parametrize("family", FAMILIES)
def test_a_child_comes_back_as_it_went(
    write_child: WriteChild, family: str, tokens: torch.Tensor, tmp_path: Path
) -> None:
    child = write_child(**FAMILIES[family])
    exported = export(child)
    assert json.loads((exported / "config.json").read_text())["model_type"] == family
    import_child(exported, tmp_path / "back")
    with torch.no_grad():
        logits = [AutoModelForCausalLM.from_pretrained(folder)(tokens).logits for folder in (child, tmp_path / "back")]
    assert torch.equal(*logits)
    assert imported_graph(exported) == imported_graph(child)


def test_each_sub_block_has_its_file_and_removed_ones_have_none(write_child: WriteChild) -> None:
    exported = export(write_child())
    files = {file.stem for file in (exported / "subblocks_safetensors").iterdir()}
    assert {"embeddings", "lm_head", "block_0_attention", "block_0_ffn", "block_1_ffn", "block_2_attention"} <= files
    assert not files & {"block_1_attention", "block_2_ffn", "block_3_attention", "block_3_ffn"}
    blocks = json.loads((exported / "config.json").read_text())["block_configs"]
    assert blocks[3]["attention"]["no_op"] and blocks[3]["attention"]["num_key_value_heads"] is None
    assert blocks[4]["ffn"] == {"no_op": False, "intermediate_size": 96, "replace_with_linear": False, "sparsify": None}


def test_the_familys_own_config_class_reads_it(write_child: WriteChild) -> None:
    config = AutoConfig.from_pretrained(export(write_child()))
    assert isinstance(config, LlamaConfig)
    assert config.intermediate_size == 64 and config.num_key_value_heads == 2
    assert config.block_configs[1]["ffn"]["intermediate_size"] == 41


def test_a_layer_that_is_not_replaced_computes_as_the_familys_own(
    write_child: WriteChild, tokens: torch.Tensor
) -> None:
    child = write_child(per_layer_config={})
    exported = export(child)
    with torch.no_grad():
        plain = LlamaForCausalLM.from_pretrained(exported)(tokens).logits
        torch.testing.assert_close(plain, AutoModelForCausalLM.from_pretrained(child)(tokens).logits)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"per_layer_config": {1: {"attention_kind": "linear"}}}, "layer 1: Puzzletron knows no 'linear' attention"),
        ({"attention_output_bias": True}, "those of no family"),
        ({"sliding_window": 8}, "a window of 8 tokens"),
        ({"parallel_windows": [[3, 4]]}, "some of its layers run in parallel"),
    ],
)
def test_what_puzzletron_would_get_wrong_is_refused(
    write_child: WriteChild, settings: dict[str, object], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        export(write_child(**settings))


def published(child: Path, **block: object) -> Path:
    """The vLLM export as NVIDIA publishes its own: widths as multipliers, no width of their own."""
    exported = export(child, "vllm")
    config = json.loads((exported / "config.json").read_text())
    for entry in config["block_configs"]:
        width = entry["ffn"].pop("intermediate_size")
        entry["ffn"]["ffn_mult"] = None if width is None else 3 * width / (2 * config["hidden_size"])
    (exported / "config.json").write_text(json.dumps(config))
    return exported


def test_a_published_checkpoint_is_taken_in(write_child: WriteChild, tokens: torch.Tensor, tmp_path: Path) -> None:
    widths = {1: {"skip": ["attention"], "intermediate_size": 512}, 2: {"num_key_value_heads": 1}, 4: {"skip": ["mlp"]}}
    child = write_child(intermediate_size=256, per_layer_config=widths, tie_word_embeddings=True)
    told = CliRunner().invoke(app, ["import", str(published(child)), "--out", str(tmp_path / "taken")])
    assert told.exit_code == 0, told.output
    with torch.no_grad():
        logits = [AutoModelForCausalLM.from_pretrained(folder)(tokens).logits for folder in (child, tmp_path / "taken")]
    assert torch.equal(*logits)


def test_linear_parts_of_published_models_are_known_by_their_names(write_child: WriteChild, tmp_path: Path) -> None:
    child = write_child(per_layer_config={1: {"attention_kind": "linear"}, 2: {"mlp_kind": "linear"}})
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    weights = {
        name.replace("self_attn.linear.", "self_attn.linear_attn.").replace("mlp.linear.", "mlp.linear_mlp."): tensor
        for name, tensor in load_file(child / "model.safetensors").items()
    }
    save_file(weights, theirs / "model.safetensors", metadata={"format": "pt"})
    plain = {"attention": {"n_heads_in_group": 2}, "ffn": {"intermediate_size": 64}}
    linear = {"replace_with_linear": True, "n_heads_in_group": None}
    blocks = [plain, {**plain, "attention": linear}, {**plain, "ffn": {"replace_with_linear": True}}, *[plain] * 3]
    config = json.loads((child / "config.json").read_text())
    config |= {"model_type": "nemotron-nas", "block_configs": blocks}
    (theirs / "config.json").write_text(json.dumps(config))
    import_child(theirs, tmp_path / "taken")
    own, taken = (load_file(folder / "model.safetensors") for folder in (child, tmp_path / "taken"))
    assert own.keys() == taken.keys() and all(torch.equal(own[name], taken[name]) for name in own)


def test_tensors_that_are_missing_or_unexplained_are_told_and_nothing_is_written(
    write_child: WriteChild, tmp_path: Path
) -> None:
    exported = export(write_child(), "vllm")
    weights = load_file(exported / "model.safetensors")
    weights["model.layers.0.self_attn.q_norm.weight"] = weights.pop("model.layers.0.mlp.up_proj.weight")
    save_file(weights, exported / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError) as told:
        import_child(exported, tmp_path / "taken")
    assert list(told.value.lines) == [
        f"{exported}: has no weight model.layers.0.mlp.up_proj.weight, which its config asks for",
        f"{exported}: its config does not explain: model.layers.0.self_attn.q_norm.weight",
    ]
    assert not (tmp_path / "taken").exists()
