"""Likelihoods in padded batches are those of each continuation alone."""

from __future__ import annotations

import math

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.models.likelihood import log_likelihoods, perplexity

PAIRS = [([5, 9, 3], [7]), ([11], [2, 40, 33, 8]), ([8, 8, 8, 8, 50, 1], [17, 4]), ([6], [6])]


@pytest.fixture(scope="module")
def model() -> BlockwrightForCausalLM:
    torch.manual_seed(0)
    config = BlockwrightConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3, tie_word_embeddings=True,
        per_layer_config={0: {"skip": ["attention"]}, 1: {"skip": ["mlp"]}},
    )  # fmt: skip
    return BlockwrightForCausalLM(config).eval()


def alone(model: BlockwrightForCausalLM, prompt: list[int], continuation: list[int]) -> float:
    with torch.no_grad():
        logs = model(input_ids=torch.tensor([prompt + continuation]), use_cache=False).logits[0].log_softmax(-1)
    places = range(len(prompt) - 1, len(prompt) + len(continuation) - 1)
    return sum(float(logs[place, token]) for place, token in zip(places, continuation, strict=True))


def test_each_continuation_is_as_likely_as_it_is_alone(model: BlockwrightForCausalLM) -> None:
    found = [one.nats for one in log_likelihoods(model, PAIRS, batch_size=3)]
    assert found == pytest.approx([alone(model, *pair) for pair in PAIRS], abs=1e-4)


def test_what_greedy_decoding_writes_is_greedy_and_nothing_else(model: BlockwrightForCausalLM) -> None:
    with torch.no_grad():
        best = int(model(input_ids=torch.tensor([[5, 9, 3]])).logits[0, -1].argmax())
    greedy, other = log_likelihoods(model, [([5, 9, 3], [best]), ([5, 9, 3], [(best + 1) % 64])])
    assert greedy.is_greedy and not other.is_greedy
    assert greedy.nats > other.nats


def test_perplexity_is_that_of_the_mean_likelihood(model: BlockwrightForCausalLM) -> None:
    tokens = torch.randint(0, 64, (5, 9), generator=torch.Generator().manual_seed(0))
    losses = [-alone(model, row[:1], row[1:]) for row in tokens.tolist()]
    assert perplexity(model, tokens, batch_size=2) == pytest.approx(math.exp(sum(losses) / (5 * 8)), rel=1e-4)
