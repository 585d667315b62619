"""A tiny parent and a tiny child of it, with a token a byte and a chat template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.evaluating.models import EvaluatedModel

SPECIAL = ["<unk>", "<|im_start|>", "<|im_end|>"]
CHATML = """{% for message in messages %}<|im_start|>{{ message['role'] }}
{{ message['content'] }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


@pytest.fixture(scope="session")
def byte_tokenizer(tokenizer_of_bytes: Callable[..., PreTrainedTokenizerFast]) -> PreTrainedTokenizerFast:
    tokenizer = tokenizer_of_bytes(SPECIAL, unk_token="<unk>", eos_token="<|im_end|>")
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.fixture(scope="session")
def parent_and_child(byte_tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("evaluated")
    sizes = dict(
        vocab_size=len(byte_tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, initializer_range=0.2, tie_word_embeddings=True, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(LlamaConfig(**sizes)).save_pretrained(folder / "parent")  # type: ignore[arg-type]
    config = BlockwrightConfig(**sizes, per_layer_config={1: {"skip": ["attention"]}})
    BlockwrightForCausalLM(config).save_pretrained(folder / "child")
    for name in ("parent", "child"):
        byte_tokenizer.save_pretrained(folder / name)
    return [folder / "parent", folder / "child"]


@pytest.fixture
def evaluated(parent_and_child: list[Path]) -> EvaluatedModel:
    return EvaluatedModel("child", parent_and_child[1])
