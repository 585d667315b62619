"""A tiny random parent with a tokenizer, and recipes that a run finishes in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

RECIPE = """\
name: tiny
parent:
  model: {parent}
space:
  variants:
    attention: [keep, {{kv_heads: 1}}, linear, skip]
    ffn: [keep, {{narrow: 50%}}, skip]
text:
  calibration: [{text}/learn.txt]
  evaluation: [{text}/judge.txt]
  sequence_length: 32
  calibration_tokens: 1024
  scoring_tokens: 256
  heldback_tokens: 256
  evaluation_tokens: 256
budget:
  params: 90%
search:
  rounds: 1
stages:
  - refit
runs: {runs}
"""


@pytest.fixture(scope="session")
def parent_folder(text_words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded Llama of four layers with a tokenizer of 64 words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("parent")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.2, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    vocabulary = {word: index for index, word in enumerate(["<unk>", "<s>", "</s>", "<pad>", *text_words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    wrapped.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_recipe(parent_folder: Path, text_folder: Path) -> Callable[[Path], Path]:
    """Writes the tiny recipe into a folder, with its runs beside it."""

    def make(folder: Path) -> Path:
        path = folder / "recipe.yaml"
        path.write_text(RECIPE.format(parent=parent_folder, text=text_folder, runs=folder / "runs"))
        return path

    return make


@pytest.fixture
def recipe(make_recipe: Callable[[Path], Path], tmp_path: Path) -> Path:
    return make_recipe(tmp_path)


@pytest.fixture
def change(recipe: Path) -> Callable[[str, str], Path]:
    """Replaces a piece of the recipe's text, which must be in it."""

    def replace(old: str, new: str) -> Path:
        text = recipe.read_text()
        assert text.count(old) == 1
        recipe.write_text(text.replace(old, new))
        return recipe

    return replace
