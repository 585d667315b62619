"""A finished run of the tiny recipe, and copies of it to change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from blockwright.api import run

QUESTIONS = [{"generator": "gcd", "config": {"max_value": 9}, "count": 6}]
TRAINING = {"questions": QUESTIONS, "heldout": 3, "steps": 2, "learning_rate": 1e-3}
STAGES = [
    {"reasoning-sft": {**TRAINING, "answer_tokens": 4, "batch_size": 2, "sequence_length": 384}},
    {"grpo": {**TRAINING, "rewards": ["format"], "drop_above": 1, "reply_tokens": 4, "batch_size": 8, "samples": 4,
              "pass_rate_samples": 2}},
]  # fmt: skip
EVALUATION = {"tasks": ["gcd"], "questions": 2, "answer_tokens": 4}
CHATML = """{% for message in messages %}<|im_start|>{{ message['role'] }}
{{ message['content'] }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


@pytest.fixture(scope="session")
def finished(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder; tests only read it."""
    return run(make_recipe(tmp_path_factory.mktemp("reported"))).directory


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The same run in a folder of the test's own."""
    return Path(shutil.copytree(finished, tmp_path / "tiny"))


@pytest.fixture(scope="session")
def chatting_parent(
    tokenizer_of_bytes: Callable[..., PreTrainedTokenizerFast], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A seeded Llama of four layers with a token a byte and a chat template."""
    folder = tmp_path_factory.mktemp("chatting")
    tokenizer = tokenizer_of_bytes(
        ["<unk>", "<|im_start|>", "<|im_end|>"], unk_token="<unk>", eos_token="<|im_end|>", pad_token="<unk>"
    )
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.2, tie_word_embeddings=True,
        eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def thinking(
    chatting_parent: Path, make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run with reasoning SFT, GRPO and an evaluation in both modes; tests only read it."""
    recipe = make_recipe(tmp_path_factory.mktemp("thinking"))
    changed = {"stages": STAGES, "evaluation": EVALUATION, "parent.model": str(chatting_parent)}
    return run(recipe, *(f"{key}={json.dumps(value)}" for key, value in changed.items())).directory
