"""Strangers' variants: their module travels in the checkpoint, and loads with or without their plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from blockwright.child.kinds import register_kinds
from blockwright.child.modeling_blockwright import ATTENTION_KINDS, MLP_KINDS
from blockwright.construction import SubBlockContext
from blockwright.variants import BlockVariant, SubBlockShape, VariantOptions, VariantSpec, Weights

THEIRS = {
    1: {"attention_kind": "smoothing", "attention_options": {"strength": 0.5}, "attention_has_cache": False},
    2: {"mlp_kind": "bottle-neck", "mlp_options": {"width": 5}, "skip": ["attention"]},
    3: {"attention_kind": "linear", "num_key_value_heads": 1},
}
ALONE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("blockwright", "blockwright_plugins"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import torch
from pathlib import Path
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
for folder in map(Path, sys.argv[1:]):
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    assert type(model).__module__.startswith("transformers_modules"), type(model)
    tokens = torch.arange(1, 12)[None]
    mask = torch.ones_like(tokens)
    with torch.no_grad():
        made = model.generate(tokens, attention_mask=mask, max_new_tokens=6, do_sample=False, pad_token_id=0)
        save_file({"logits": model(tokens).logits, "made": made}, folder / "alone.safetensors")
    model.save_pretrained(folder / "again")
assert "blockwright" not in sys.modules
"""


class _Theirs(BlockVariant):
    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        return VariantSpec(self.slot, self.kind)

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return 0

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {}

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        return {}


class SmoothingVariant(_Theirs):
    slot, kind, module = "attention", "smoothing", ("their_variant.py", "Smoothing")


class BottleneckVariant(_Theirs):
    slot, kind, module = "ffn", "bottle-neck", ("their_variant.py", "Bottleneck")


@pytest.fixture
def registered() -> Iterator[None]:
    register_kinds([SmoothingVariant(), BottleneckVariant()])
    yield
    ATTENTION_KINDS.pop("smoothing", None)
    MLP_KINDS.pop("bottle-neck", None)


PLUGIN = """
from blockwright import hookimpl
from blockwright.variants import BlockVariant, VariantSpec

class _Theirs(BlockVariant):
    def resolve(self, options, shape):
        return VariantSpec(self.slot, self.kind)
    def parameters(self, spec, shape):
        return 0
    def layer_config(self, spec, shape):
        return {}
    def build(self, specs, context):
        return {}

class SmoothingVariant(_Theirs):
    slot, kind, module = "attention", "smoothing", ("their_variant.py", "Smoothing")

class BottleneckVariant(_Theirs):
    slot, kind, module = "ffn", "bottle-neck", ("their_variant.py", "Bottleneck")

@hookimpl
def register_block_variants():
    return [SmoothingVariant, BottleneckVariant]
"""
WITH_PLUGIN = """
import sys, blockwright, torch
from transformers import AutoModelForCausalLM
from safetensors.torch import save_file
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
assert type(model).__module__ == "blockwright.child.modeling_blockwright"
with torch.no_grad():
    save_file({"logits": model(torch.arange(1, 12)[None]).logits}, sys.argv[2])
"""


def install_their_plugin(folder: Path) -> None:
    """A distribution as pip leaves it: a module, what it needs, and the entry point."""
    (folder / "their_plugin.py").write_text(PLUGIN)
    (folder / "their_variant.py").write_text(Path(__file__).with_name("their_variant.py").read_text())
    (folder / "their_plugin-1.0.dist-info").mkdir()
    (folder / "their_plugin-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: their-plugin\nVersion: 1.0\n"
    )
    (folder / "their_plugin-1.0.dist-info" / "entry_points.txt").write_text("[blockwright]\ntheirs = their_plugin\n")


def test_an_installed_plugin_brings_its_kinds(registered, make_child, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    child = make_child(per_layer_config=THEIRS)
    child.save_pretrained(tmp_path / "child")
    install_their_plugin(tmp_path)
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-c", WITH_PLUGIN, str(tmp_path / "child"), str(tmp_path / "logits.safetensors")]
    environment = {**os.environ, "PYTHONPATH": paths}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    logits = load_file(tmp_path / "logits.safetensors")["logits"]
    assert torch.equal(logits, logits_and_tokens(child)[0])


def run_without_blockwright(*folders: Path, cache: Path) -> None:
    environment = {**os.environ, "HF_MODULES_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    command = [sys.executable, "-I", "-c", ALONE, *map(str, folders)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def logits_and_tokens(model: torch.nn.Module) -> tuple[Tensor, Tensor]:
    tokens = torch.arange(1, 12)[None]
    mask = torch.ones_like(tokens)
    with torch.no_grad():
        made = model.generate(tokens, attention_mask=mask, max_new_tokens=6, do_sample=False, pad_token_id=0)  # type: ignore[operator]
        return model(tokens).logits, made


def test_children_load_where_there_is_no_blockwright(registered, mixed_child, make_child, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    children = {"mixed": mixed_child, "theirs": make_child(per_layer_config=THEIRS, sliding_window=4)}
    folders = {name: tmp_path / name for name in children}
    for name, child in children.items():
        child.save_pretrained(folders[name])
    run_without_blockwright(*folders.values(), cache=tmp_path / "modules")
    for name, child in children.items():
        alone, (logits, made) = load_file(folders[name] / "alone.safetensors"), logits_and_tokens(child)
        assert torch.equal(alone["logits"], logits)
        assert torch.equal(alone["made"], made)
    for file in folders["theirs"].glob("*.py"):
        assert (folders["theirs"] / "again" / file.name).read_text() == file.read_text()
    ours = AutoModelForCausalLM.from_pretrained(folders["theirs"])
    assert torch.equal(logits_and_tokens(ours)[0], logits_and_tokens(children["theirs"])[0])


def test_only_the_variants_in_use_travel(registered, make_child, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make_child(per_layer_config={1: THEIRS[1]}).save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.glob("*.py")} == {
        "configuration_blockwright.py",
        "modeling_blockwright.py",
        "variant_attention_smoothing.py",
    }


def test_a_child_of_an_unknown_kind_does_not_load(registered, make_child, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make_child(per_layer_config=THEIRS).save_pretrained(tmp_path)
    del ATTENTION_KINDS["smoothing"]
    with pytest.raises(ValueError, match="no attention variant is called 'smoothing'"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
