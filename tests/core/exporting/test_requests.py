"""`blockwright export CHILD --to TARGET`: one command, its answer, and mistakes in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.cli import app


@pytest.fixture
def child(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    sizes = dict(vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
    BlockwrightForCausalLM(BlockwrightConfig(**sizes)).save_pretrained(tmp_path / "small")
    return tmp_path / "small"


def export(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_last_line_is_the_command_that_serves_it(child: Path, tmp_path: Path) -> None:
    code, told, _ = export(child, "--to", "gguf", "tokenizer=none", "precision=f32", "--out", tmp_path / "out")
    assert code == 0
    assert told.splitlines()[0] == f"Written to {tmp_path / 'out'}"
    assert told.splitlines()[-1] == f"llama-server -m {tmp_path / 'out' / 'model-f32.gguf'}"
    assert (tmp_path / "out" / "model-f32.gguf").is_file()


def test_without_a_folder_it_is_named_after_child_and_target(
    child: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export("small", "--to", "vllm")[0] == 0
    assert (tmp_path / "small-vllm" / "config.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "vlm"], "no exporter is called 'vlm', did you mean 'vllm'?"),
        (["--to", "gguf", "precison=f16"], "precison: no such key, did you mean 'precision'?"),
        (["--to", "gguf", "precision=q4"], "precision: expected 'f32', 'f16', 'bf16' or 'q8_0', got 'q4'"),
        (["--to", "gguf", "tokenizer=none", "precision=q8_0"], "blocks of 32, and its hidden size is 16"),
    ],
)
def test_mistakes_are_a_line_each(child: Path, arguments: list[str], told: str) -> None:
    code, _, error = export(child, *arguments)
    assert code == 2
    assert told in error and "Traceback" not in error


def test_what_is_neither_child_nor_run_is_told(tmp_path: Path) -> None:
    code, _, error = export(tmp_path / "nothing", "--to", "hf")
    assert code == 2 and "no run '" in error
