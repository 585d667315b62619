"""Evaluation against the plain formulas on whole logits."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.models.evaluation import evaluate
from blockwright.models.stack import Head, LayerStack


@dataclass
class InMemory:
    """Weights of a model in memory."""

    weights: dict[str, Tensor]

    def read(self, name: str) -> Tensor:
        return self.weights[name]

    def names(self) -> list[str]:
        return list(self.weights)


def model(seed: int, **settings: object) -> BlockwrightForCausalLM:
    torch.manual_seed(seed)
    sizes = dict(vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4)
    return BlockwrightForCausalLM(BlockwrightConfig(**sizes, initializer_range=0.3, **settings)).eval()


def stack(model: BlockwrightForCausalLM, dtype: torch.dtype = torch.float64) -> LayerStack:
    return LayerStack(model.config, InMemory(model.state_dict()), dtype)


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, 50, (23, 19), generator=torch.Generator().manual_seed(1))  # 414 positions: two chunks


def test_identical_models_diverge_by_exactly_nothing(tokens: Tensor) -> None:
    same = evaluate(stack(model(0)), stack(model(0)), tokens)
    assert same.kl_nats_per_token == 0.0
    assert same.top1_agreement == 1.0
    assert same.parent_perplexity == same.child_perplexity


def test_figures_are_those_of_the_plain_formulas(tokens: Tensor) -> None:
    parent, child = model(0), model(1, per_layer_config={0: {"skip": ["attention"]}, 1: {"intermediate_size": 8}})
    found = evaluate(stack(parent), stack(child), tokens)
    with torch.no_grad():
        logs = [one.double()(tokens).logits[:, :-1].log_softmax(-1) for one in (parent, child)]
    losses = [-log.gather(2, tokens[:, 1:, None]).mean() for log in logs]
    assert found.tokens == 23 * 18
    assert found.kl_nats_per_token == pytest.approx(
        (logs[0].exp() * (logs[0] - logs[1])).sum(-1).mean().item(), rel=1e-6
    )
    assert found.top1_agreement == pytest.approx((logs[0].argmax(-1) == logs[1].argmax(-1)).double().mean().item())
    assert found.parent_perplexity == pytest.approx(losses[0].exp().item(), rel=1e-6)
    assert found.child_perplexity == pytest.approx(losses[1].exp().item(), rel=1e-6)
    assert 0 < found.top1_agreement < 1


def test_float32_is_near_enough(tokens: Tensor) -> None:
    exact = evaluate(stack(model(0)), stack(model(1)), tokens)
    single = evaluate(stack(model(0), torch.float32), stack(model(1), torch.float32), tokens)
    assert single.kl_nats_per_token == pytest.approx(exact.kl_nats_per_token, rel=1e-5)


def test_figures_go_into_json(tokens: Tensor) -> None:
    found = evaluate(stack(model(0)), stack(model(1)), tokens)
    assert json.loads(json.dumps(found.to_dict()))["kl_nats_per_token"] == found.kl_nats_per_token


def test_no_matrix_of_vocabulary_size_has_more_than_256_rows(tokens: Tensor) -> None:
    rows: list[int] = []

    class Watched(LayerStack):
        def head(self) -> Head:
            head = super().head()
            head.register_forward_hook(lambda module, inputs, logits: rows.append(len(logits)))
            return head

    one = model(0)
    watched = Watched(one.config, InMemory(one.state_dict()), torch.float64)
    evaluate(watched, watched, tokens)
    assert max(rows) == 256
    assert sum(rows) == 2 * 23 * 18
