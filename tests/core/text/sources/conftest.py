"""A reading whose tokenizer makes one token of a byte and has a small chat template."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from blockwright.text.sources.reading import Reading

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATE = "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    bytes_only = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    inner = Tokenizer(models.BPE(vocab=bytes_only, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.fixture
def reading(tokenizer: PreTrainedTokenizerBase) -> Reading:
    return Reading(Random(0), tokenizer)
