import torch

from blockwright.child.modeling_blockwright import RMSNorm
from blockwright.models.divergence import divergence
from blockwright.models.stack import Head


def _head(seed: int) -> Head:
    return Head(RMSNorm(8, 1e-6), torch.randn(40, 8, generator=torch.Generator().manual_seed(seed)))


def test_divergence_is_the_plain_formula_at_every_position() -> None:
    parent, child = _head(0), _head(1)
    streams = torch.randn(2, 3, 300, 8, generator=torch.Generator().manual_seed(2))  # more rows than one chunk holds
    p, q = parent(streams[0]).log_softmax(-1), child(streams[1]).log_softmax(-1)
    expected = (p.exp() * (p - q)).sum(-1)
    assert torch.allclose(divergence(parent, streams[0], child, streams[1]), expected, atol=1e-5)


def test_a_model_does_not_diverge_from_itself() -> None:
    stream = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(3))
    assert torch.equal(divergence(_head(0), stream, _head(0), stream), torch.zeros(2, 5))
