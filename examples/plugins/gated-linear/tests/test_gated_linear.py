"""`gated_linear` keeps the contract of variants; its state says in steps what its chunks say at once."""

import pytest
import torch
from gated_linear import GatedLinear
from gated_linear.module import mix

from blockwright.contracts.variants import VARIANT_CONTRACT


@pytest.mark.parametrize("rule", VARIANT_CONTRACT, ids=lambda rule: rule.__name__)
def test_it_keeps_the_contract(rule):
    rule(GatedLinear())


def seeded(length):
    draw = torch.Generator().manual_seed(0)
    query, key = torch.rand(2, 3, 2, length, 6, generator=draw), torch.rand(2, 3, length, 6, generator=draw)
    value, decay = torch.randn(2, 3, length, 5, generator=draw), -torch.rand(2, 3, length, generator=draw)
    return [one.double() for one in (query, key, value, decay, torch.randn(2, 3, 6, 5, generator=draw))]


@pytest.mark.parametrize("length", [1, 63, 64, 65, 150])
def test_chunks_are_the_recurrence(length):
    query, key, value, decay, state = seeded(length)
    at_once, last = mix(query, key, value, decay, state)
    for token in range(length):
        update = key[:, :, token, :, None] * value[:, :, token, None, :]
        state = decay[:, :, token, None, None].exp() * state + update
        output = query[:, :, :, token] @ state
        assert torch.allclose(output, at_once[:, :, :, token], atol=1e-12)
    assert torch.allclose(state, last, atol=1e-12)


def test_gradients_are_numbers_where_memory_fades_at_once():
    query, key, value, decay, state = seeded(8)
    decay = (1e3 * decay).requires_grad_()
    mix(query, key, value, decay, state)[0].sum().backward()
    assert decay.grad.isfinite().all()
