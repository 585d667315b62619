"""`hf`: what is written loads without Blockwright, and answers as the child does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from blockwright.exporting.exporting import export_child
from blockwright.exporting.origin import Origin
from blockwright.exporting.requests import make_exporter

WriteChild = Callable[..., Path]
WITHOUT_BLOCKWRIGHT = """
import sys, torch
sys.modules["blockwright"] = None
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True)
torch.save(model(torch.arange(3, 12)[None]).logits, sys.argv[2])
"""


def export(child: Path, *options: str) -> Path:
    destination = child.with_name("exported")
    export_child(make_exporter("hf", options), child, destination, Origin("tiny"))
    return destination


def test_the_folder_answers_as_the_child_without_blockwright(write_child: WriteChild, tmp_path: Path) -> None:
    child = write_child()
    command = [sys.executable, "-c", WITHOUT_BLOCKWRIGHT, str(export(child)), str(tmp_path / "logits.pt")]
    subprocess.run(command, check=True, env={"HF_HOME": str(tmp_path), "PATH": "", "HF_HUB_OFFLINE": "1"})
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(child)(torch.arange(3, 12)[None]).logits
    assert torch.equal(torch.load(tmp_path / "logits.pt"), expected)


def test_large_models_are_sharded_with_an_index(write_child: WriteChild) -> None:
    exported = export(write_child(), "shard_bytes=20000", "dtype=bfloat16")
    index = json.loads((exported / "model.safetensors.index.json").read_text())
    shards = set(index["weight_map"].values())
    assert len(shards) > 2 and shards == {file.name for file in exported.glob("*.safetensors")}
    assert AutoModelForCausalLM.from_pretrained(exported).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_childs_precision_is_kept_when_nothing_else_is_asked(write_child: WriteChild, dtype: torch.dtype) -> None:
    child = write_child()
    AutoModelForCausalLM.from_pretrained(child, dtype=dtype).save_pretrained(child.with_name("stored"))
    assert AutoModelForCausalLM.from_pretrained(export(child.with_name("stored"))).dtype == dtype


def test_a_child_with_linear_maps_is_written_too(write_child: WriteChild) -> None:
    child = write_child(per_layer_config={1: {"attention_kind": "linear", "mlp_kind": "linear"}})
    config = json.loads((export(child) / "config.json").read_text())
    assert config["per_layer_config"]["1"] == {"attention_kind": "linear", "mlp_kind": "linear"}
