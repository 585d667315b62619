"""The recipes that ship have no mistakes; parents too large to have here are known by their published configs."""

from __future__ import annotations

import json
import re
import struct
import warnings
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from blockwright.child.checkpoint import planned_tensors_of_equal_layers
from blockwright.costs import TableExceeded
from blockwright.models.sharding import PlannedTensor
from blockwright.parent import describe_parent
from blockwright.plugins import installed_plugins
from blockwright.recipes.checking import CheckedRecipe, check_recipe

ROOT = Path(__file__).parents[3]
RECIPES = ROOT / "recipes"
LLAMA_3 = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_key_value_heads": 8, "head_dim": 128,
    "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "tie_word_embeddings": False,
    "rope_parameters": {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
    "eos_token_id": [128001, 128008, 128009],
}  # fmt: skip
SIZES = {  # hidden, width, layers, heads, as published
    "llama-nemotron-nano": (4096, 14336, 32, 32),
    "llama-nemotron-super": (8192, 28672, 80, 64),
    "llama-nemotron-ultra": (16384, 53248, 126, 128),
}


def checked(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> CheckedRecipe:
    """With the parent's config in a folder in place of the hub's."""
    pytest.importorskip("trl")
    hidden, width, layers, heads = SIZES[name]
    sizes = {
        "hidden_size": hidden,
        "intermediate_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }
    (folder / "config.json").write_text(json.dumps(LLAMA_3 | sizes))
    write_headers(folder)
    monkeypatch.chdir(ROOT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableExceeded)
        return check_recipe(RECIPES / f"{name}.yaml", [f"parent.model={folder}"])


def write_headers(folder: Path) -> None:
    """Shards of which only the headers are on the disk: `check` reads no weight."""
    parent = describe_parent(folder, installed_plugins().families)
    shards = defaultdict[str, list[PlannedTensor]](list)
    for tensor in planned_tensors_of_equal_layers(parent.config):
        layer = re.search(r"layers\.\d+", tensor.name)
        shards[f"{layer[0] if layer else 'rest'}.safetensors"].append(tensor)
    for shard, tensors in shards.items():
        write_header(folder / shard, tensors)
    places = {tensor.name: shard for shard, tensors in shards.items() for tensor in tensors}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def write_header(file: Path, tensors: list[PlannedTensor]) -> None:
    header, end = dict[str, object](), 0
    for tensor in tensors:
        start, end = end, end + tensor.size_bytes("bfloat16")
        header[tensor.name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    with file.open("wb") as opened:
        opened.write(struct.pack("<Q", len(encoded)) + encoded)
        opened.truncate(8 + len(encoded) + end)


def written(name: str) -> dict[str, object]:
    data = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize("name", SIZES)
def test_a_recipe_of_the_paper_passes_check(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(name, tmp_path, monkeypatch).recipe.name == name


def test_the_mini_recipe_passes_check(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("trl")
    monkeypatch.chdir(ROOT)
    found = check_recipe(RECIPES / "llama-nemotron-mini.yaml")
    assert [stage.name for stage in found.made.stages] == ["distill", "reasoning-sft", "grpo"]


def test_every_recipe_that_ships_is_tested_here() -> None:
    assert {file.stem for file in RECIPES.glob("*.yaml")} == {*SIZES, "llama-nemotron-mini"}


def test_super_has_the_published_numbers() -> None:
    data = written("llama-nemotron-super")
    scenario = data["scenarios"]["cached"]  # type: ignore[index]
    assert scenario["batch"] * (scenario["input_tokens"] + scenario["output_tokens"]) == 300_000
    distill, sft, rloo = (next(iter(stage.values())) for stage in data["stages"])  # type: ignore[union-attr]
    assert distill["data"]["tokens"] == 40e9
    assert (float(sft["learning_rate"]), sft["sequence_length"], sft["batch_size"]) == (5e-6, 16 * 1024, 256)
    assert rloo["batch_size"] / rloo["samples"] == 128 and rloo["steps"] < 120


def test_ultra_has_the_published_numbers() -> None:
    data = written("llama-nemotron-ultra")
    cached = {
        name: one["batch"] * (one["input_tokens"] + one["output_tokens"])
        for name, one in data["scenarios"].items()  # type: ignore[attr-defined]
    }
    assert cached == {"cached-fp8": 3_000_000, "cached-bf16": 600_000}
    kd, pretraining, sft, grpo, _ = (next(iter(stage.values())) for stage in data["stages"])  # type: ignore[union-attr]
    assert (kd["data"]["tokens"], pretraining["data"]["tokens"]) == (65e9, 88e9)
    assert (float(sft["learning_rate"]), sft["warmup"], sft["sequence_length"]) == (1e-5, 0.1, 24 * 1024)
    assert grpo["batch_size"] * grpo["updates"] / grpo["samples"] == 72
    assert (grpo["samples"], grpo["batch_size"], grpo["drop_above"]) == (16, 576, 0.75)


def test_what_a_recipe_of_the_paper_says_of_runs_is_marked_where_it_is_ours() -> None:
    for name in SIZES:
        text = (RECIPES / f"{name}.yaml").read_text()
        assert len(re.findall(r"ours", text)) > 5
        assert "2505.00949" in text
