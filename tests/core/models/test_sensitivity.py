import pytest
import torch

from blockwright.models.sensitivity import (
    divergence_gradient,
    joined,
    sampled_gradient,
    streams_between_layers,
    walk_back,
)
from blockwright.parent import Parent
from blockwright.variants import SLOTS

STEP = 1e-3  # norms are computed in float32, so that smaller steps drown in rounding


def test_gradients_at_sub_blocks_match_finite_differences(parent: Parent, unseen: torch.Tensor) -> None:
    """Nudging a sub-block's output along a direction changes KL(other‖model) as the walk back says."""
    tokens, stack = unseen[:2], parent.stack()
    stack.dtype = torch.float64
    head = stack.head()
    target = torch.randn(2, 32, 48, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    walked = {at.layer: at for at in walk_back(stack, tokens, divergence_gradient(head, target, head))}
    direction = torch.randn(2, 32, 48, generator=torch.Generator().manual_seed(6), dtype=torch.float64)

    def divergence_after(layer_index: int, slot: str, size: float) -> float:
        arguments, stream = stack.attention_arguments(32), stack.embed(tokens)
        for index in range(len(stack)):
            layer = stack.layer(index)
            nudges = {name: size * direction * ((index, name) == (layer_index, slot)) for name in SLOTS}
            stream = stream + layer.attend(stream, **arguments) + nudges["attention"]
            stream = stream + layer.feed(stream) + nudges["ffn"]
        p, q = head(target).log_softmax(-1), head(stream).log_softmax(-1)
        return float((p.exp() * (p - q)).sum())

    for index in range(len(stack)):
        for sub_block, _, gradients in walked[index].sides():
            rise = divergence_after(index, sub_block.slot, STEP) - divergence_after(index, sub_block.slot, -STEP)
            assert float((gradients[0] * direction).sum()) == pytest.approx(rise / (2 * STEP), rel=1e-3)


def test_the_gradient_of_the_divergence_from_itself_is_zero(parent: Parent, unseen: torch.Tensor) -> None:
    stack = parent.stack()
    head, end = stack.head(), streams_between_layers(stack, unseen)[-1]
    gradients = next(iter(walk_back(stack, unseen, divergence_gradient(head, end, head)))).at_ffn
    assert float(gradients.abs().max()) < 1e-6


def test_sampled_gradients_have_mean_zero_and_the_fisher_as_second_moment(parent: Parent) -> None:
    head = parent.stack().head()
    stream = torch.randn(1, 1, 48, generator=torch.Generator().manual_seed(7))
    samples = sampled_gradient(head, 20000, seed=0)(stream)[:, 0, 0].double()
    probabilities = head(stream)[0, 0].softmax(-1).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: head(x).log_softmax(-1), stream[0, 0]).double()
    fisher = jacobian.T @ (probabilities[:, None] * jacobian)
    assert float(samples.mean(0).norm()) < 0.05 * float(samples.norm(dim=1).mean())
    assert float((samples.T @ samples / 20000 - fisher).norm()) < 0.05 * float(fisher.norm())


def test_one_walk_carries_the_samples_of_several(parent: Parent, unseen: torch.Tensor) -> None:
    stack = parent.stack()
    head = stack.head()
    both = joined(sampled_gradient(head, 2, 0), sampled_gradient(head, 1, 1))
    together = {at.layer: at.at_attention for at in walk_back(stack, unseen, both)}
    alone = {at.layer: at.at_attention for at in walk_back(stack, unseen, sampled_gradient(head, 1, 1))}
    assert all(torch.allclose(together[layer][2], alone[layer][0], atol=1e-5) for layer in alone)
    assert together[0].shape == (3, *unseen.shape, 48)
