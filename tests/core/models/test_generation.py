"""Batched replies are those of a model that is asked alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.models.generation import Decoding, generate, stream

PROMPTS = [[5, 9, 3, 7, 7, 21, 30], [11], [2, 40, 33], [8, 8, 8, 8], [50, 1], [17, 4, 29, 60, 12]]
GREEDY = Decoding(max_tokens=12, batch_size=4)


@pytest.fixture(scope="module")
def model() -> BlockwrightForCausalLM:
    """Attention is skipped in layer 0 and has one KV head in layer 2; layer 1 has no FFN."""
    torch.manual_seed(0)
    config = BlockwrightConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3, tie_word_embeddings=True,
        per_layer_config={0: {"skip": ["attention"]}, 1: {"skip": ["mlp"]}, 2: {"num_key_value_heads": 1}},
    )  # fmt: skip
    return BlockwrightForCausalLM(config).eval()


def alone(model: BlockwrightForCausalLM, prompt: list[int], ends: frozenset[int]) -> list[int]:
    """Without cache, batch or padding."""
    tokens: list[int] = []
    while len(tokens) < GREEDY.max_tokens and not ends.intersection(tokens):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + tokens]), use_cache=False).logits
        tokens.append(int(logits[0, -1].argmax()))
    return tokens


def test_padded_batches_write_what_each_prompt_gets_alone(model: BlockwrightForCausalLM) -> None:
    assert generate(model, PROMPTS, GREEDY, frozenset()) == [alone(model, one, frozenset()) for one in PROMPTS]


def test_rows_that_end_leave_the_others_as_they_are(model: BlockwrightForCausalLM) -> None:
    ends = frozenset(range(0, 64, 5))
    replies = generate(model, PROMPTS, replace(GREEDY, batch_size=6), ends)
    assert replies == [alone(model, one, ends) for one in PROMPTS]
    assert len({len(reply) for reply in replies}) > 2, "they end at different steps, or nothing is tested"


def test_a_stream_is_the_reply_token_by_token(model: BlockwrightForCausalLM) -> None:
    assert list(stream(model, PROMPTS[0], GREEDY, frozenset())) == alone(model, PROMPTS[0], frozenset())


def test_samples_follow_the_seed(model: BlockwrightForCausalLM) -> None:
    warm = replace(GREEDY, temperature=1.5)
    first, again = (generate(model, PROMPTS, warm, frozenset()) for _ in range(2))
    assert first == again
    assert first != generate(model, PROMPTS, replace(warm, seed=1), frozenset())


def test_a_tiny_top_p_is_greedy(model: BlockwrightForCausalLM) -> None:
    narrow = replace(GREEDY, temperature=1.0, top_p=1e-6)
    assert generate(model, PROMPTS, narrow, frozenset()) == generate(model, PROMPTS, GREEDY, frozenset())


def test_it_tells_how_many_replies_are_finished(model: BlockwrightForCausalLM) -> None:
    told: list[int] = []
    generate(model, PROMPTS, GREEDY, frozenset(), told.append)
    assert told == [4, 6]
