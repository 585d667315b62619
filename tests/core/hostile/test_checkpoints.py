"""Checkpoints that bring code, pickles, wrong tensors or ways out: none is run, opened or followed."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from blockwright.api import run
from blockwright.errors import UserError
from blockwright.models.tokenizers import read_tokenizer
from blockwright.post_training.models import opened_with

Refused = Callable[..., str]
CODE = "from pathlib import Path\nPath({harmed!r}).touch()\nclass Evil: ...\n"


class Harm:
    """Unpickled, it leaves a file."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.place,)


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.fixture
def harmed(tmp_path: Path) -> Path:
    return tmp_path / "harmed"


def test_code_in_a_checkpoint_is_not_run(
    recipe: Path, checkpoint: Path, harmed: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # transformers asks where nothing is said
    (checkpoint / "evil.py").write_text(CODE.format(harmed=str(harmed)))
    change(
        checkpoint / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]}, tokenizer_class="Evil"
    )
    with pytest.raises(UserError, match="cannot be understood"):
        read_tokenizer(checkpoint)
    change(checkpoint / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.Evil"})
    refused("check", recipe, f"parent.model={checkpoint}")
    refused("evaluate", checkpoint)
    assert not harmed.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.bin"])
def test_pickles_are_not_opened(name: str, recipe: Path, checkpoint: Path, harmed: Path, refused: Refused) -> None:
    from transformers import AutoModelForCausalLM

    (checkpoint / "model.safetensors").unlink()
    (checkpoint / name).write_bytes(pickle.dumps(Harm(harmed)))
    assert "never opens" in refused("check", recipe, f"parent.model={checkpoint}")
    refused("import", checkpoint, "--out", checkpoint.with_name("taken"))
    refused("export", checkpoint, "--to", "hf")
    with pytest.raises(UserError, match="never opens"):
        opened_with(AutoModelForCausalLM, checkpoint)
    assert not harmed.exists()


TENSORS: dict[str, Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]] = {
    "one is missing": lambda weights: {name: one for name, one in weights.items() if "layers.2.mlp.up" not in name},
    "one is too large": lambda weights: {**weights, "model.norm.weight": torch.ones(33)},
    "one is turned": lambda weights: {**weights, "model.layers.0.mlp.up_proj.weight": torch.ones(32, 48)},
    "one is a number": lambda weights: {**weights, "model.norm.weight": torch.tensor(1.0)},
    "one is whole numbers": lambda weights: {**weights, "model.norm.weight": torch.ones(32, dtype=torch.int64)},
    "one is of truths": lambda weights: {**weights, "model.norm.weight": torch.ones(32, dtype=torch.bool)},
    "none is there": lambda weights: {"x": torch.ones(1)},
    "another name": lambda weights: {name.replace("model.", "model.model."): one for name, one in weights.items()},
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_of_another_shape_or_kind(case: str, recipe: Path, checkpoint: Path, refused: Refused) -> None:
    weights = TENSORS[case](load_file(checkpoint / "model.safetensors"))
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    refused("check", recipe, f"parent.model={checkpoint}")


INDICES: dict[str, object] = {
    "that climbs": {"weight_map": {"model.norm.weight": "../../outside.safetensors"}},
    "at the root": {"weight_map": {"model.norm.weight": "/etc/outside.safetensors"}},
    "to a pickle": {"weight_map": {"model.norm.weight": "pytorch_model.bin"}},
    "to a number": {"weight_map": {"model.norm.weight": 7}},
    "to a file that is not there": {"weight_map": {"model.norm.weight": "none.safetensors"}},
    "to a tensor that is not there": {"weight_map": {"model.evil.weight": "model.safetensors"}},
    "of a list": {"weight_map": ["model.safetensors"]},
    "of nothing": {"weight_map": {}},
    "without a map": {},
    "that is a list": [],
}


@pytest.mark.parametrize("case", INDICES)
def test_indices(case: str, recipe: Path, checkpoint: Path, refused: Refused) -> None:
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(INDICES[case]))
    refused("check", recipe, f"parent.model={checkpoint}")


NEMOTRON: dict[str, Callable[[list[Any]], object]] = {
    "no blocks": lambda blocks: [],
    "blocks that are words": lambda blocks: ["a"] * 4,
    "blocks without parts": lambda blocks: [{}] * 4,
    "blocks fewer than layers": lambda blocks: blocks[:2],
    "a heads group of zero": lambda blocks: [{**blocks[0], "attention": {"n_heads_in_group": 0}}, *blocks[1:]],
    "a width of 10^18": lambda blocks: [{**blocks[0], "ffn": {"intermediate_size": 10**18}}, *blocks[1:]],
    "a multiplier of words": lambda blocks: [{**blocks[0], "ffn": {"ffn_mult": "x"}}, *blocks[1:]],
    "a multiplier without end": lambda blocks: [{**blocks[0], "ffn": {"ffn_mult": 1e308}}, *blocks[1:]],
}


@pytest.mark.parametrize("case", NEMOTRON)
def test_published_children(case: str, checkpoint: Path, refused: Refused) -> None:
    plain = {"attention": {"n_heads_in_group": 2}, "ffn": {"intermediate_size": 48}}
    change(checkpoint / "config.json", model_type="nemotron-nas", block_configs=NEMOTRON[case]([plain] * 4))
    refused("import", checkpoint, "--out", checkpoint.with_name("taken"))


CHILDREN: dict[str, dict[str, object]] = {
    "a layer that is not there": {"per_layer_config": {"99": {"skip": ["mlp"]}}},
    "layers of words": {"per_layer_config": {"a": {}}},
    "layers as a list": {"per_layer_config": [1]},
    "a kind that is none": {"per_layer_config": {"0": {"attention_kind": "os.system"}}},
    "a width of 10^18": {"per_layer_config": {"0": {"intermediate_size": 10**18}}},
    "a window without end": {"parallel_windows": [[0, 10**9]]},
    "windows of words": {"parallel_windows": "ab"},
    "skips of words": {"per_layer_config": {"0": {"skip": 7}}},
    "10^9 layers": {"num_hidden_layers": 10**9},
}


@pytest.mark.parametrize("case", CHILDREN)
@pytest.mark.parametrize("command", [("export", "--to", "vllm"), ("export", "--to", "gguf"), ("chat", "--prompt", "x")])
def test_children(case: str, command: tuple[str, ...], checkpoint: Path, refused: Refused) -> None:
    name, *rest = command
    change(checkpoint / "config.json", model_type="blockwright", **CHILDREN[case])
    refused(name, checkpoint, *rest)


def test_a_step_that_is_a_link_out_of_the_run_is_not_written_through(recipe: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    (tmp_path / "runs" / "tiny" / "00-parent").symlink_to(precious)
    with pytest.raises(UserError, match="is a link"):
        run(recipe)
    assert [path.name for path in precious.iterdir()] == ["file"]


RUNS: dict[str, tuple[str, object]] = {
    "a recipe that is a bomb": ("recipe.yaml", "a: &a [x]\nb: [" + "*a," * 60_000 + "]"),
    "a recipe that is a list": ("recipe.yaml", "- a"),
    "a recipe that is binary": ("recipe.yaml", bytes(range(256))),
    "no recipe": ("recipe.txt", ""),
}


@pytest.mark.parametrize("case", RUNS)
@pytest.mark.parametrize("command", ["show", "report", "solve"])
def test_runs(case: str, command: str, tmp_path: Path, refused: Refused) -> None:
    name, content = RUNS[case]
    folder = tmp_path / "stranger"
    folder.mkdir()
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        (folder / name).write_text(str(content))
    refused(command, folder)


EMPTY = {"parent": "x", "family": "llama", "variants": {}, "files": {}}
LIBRARIES: dict[str, object] = {
    "a list": [],
    "nothing in it": {},
    "files that climb": {
        "parent": "x",
        "family": "llama",
        "variants": {},
        "files": {"../../x": {"sha256": "", "bytes": 1}},
    },
    "sizes of words": {"parent": "x", "family": "llama", "variants": {}, "files": {"a": {"sha256": "", "bytes": "x"}}},
    "variants of words": {"parent": "x", "family": "llama", "variants": "all", "files": {}},
}


@pytest.mark.parametrize("case", LIBRARIES)
def test_shared_libraries(case: str, recipe: Path, tmp_path: Path) -> None:
    """They are read once the run has begun, whose folder is then there."""
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "library.json").write_text(json.dumps(LIBRARIES[case]))
    with pytest.raises(UserError):
        run(recipe, f"library.shared={folder}", "scorer.name=stored", f"scorer.folder={folder}")
    assert {path.name for path in tmp_path.iterdir()} <= {"recipe.yaml", "runs", "shared"}
    shutil.rmtree(tmp_path / "runs")
