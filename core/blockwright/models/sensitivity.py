"""How the model's output reacts to each sub-block's output: gradients layer by layer, with one layer resident."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from blockwright.child.modeling_blockwright import DecoderLayer
from blockwright.models.divergence import ROWS_AT_ONCE
from blockwright.models.stack import Head, LayerStack
from blockwright.soundness import refuse_activations
from blockwright.variants import SubBlock

HeadGradient = Callable[[Tensor], Tensor]
"""Final stream (sequences, seq, hidden) -> gradients at it (samples, sequences, seq, hidden)."""

_SEQUENCES_AT_ONCE = 4


@dataclass(frozen=True)
class LayerGradients:
    """Streams into, inside and gradients at the outputs of one layer's sub-blocks.

    Streams are (sequences, seq, hidden): before attention and before the FFN. Gradients are
    (samples, sequences, seq, hidden), at the attention's and at the FFN's output.
    """

    layer: int
    before_attention: Tensor
    before_ffn: Tensor
    at_attention: Tensor
    at_ffn: Tensor

    def sides(self) -> Iterator[tuple[SubBlock, Tensor, Tensor]]:
        """Each sub-block of the layer with the stream before it and the gradients at its output."""
        yield SubBlock(self.layer, "attention"), self.before_attention, self.at_attention
        yield SubBlock(self.layer, "ffn"), self.before_ffn, self.at_ffn


def walk_back(stack: LayerStack, tokens: Tensor, head_gradient: HeadGradient) -> Iterator[LayerGradients]:
    """Gradients of every layer of `stack` on `tokens` (sequences, seq), from the last layer to the first.

    Keeps the stream between layers (layers + 1 copies) and recomputes inside a layer.
    """
    streams = streams_between_layers(stack, tokens)
    gradient = head_gradient(streams.pop())
    arguments = stack.attention_arguments(tokens.shape[1])
    for index in reversed(range(len(stack))):
        gradients = _layer_gradients(index, stack.layer(index), streams.pop(), gradient, arguments)
        refuse_activations("gradients", f"layer {index}", gradients[0].at_attention, gradients[1])
        yield gradients[0]
        gradient = gradients[1]


def streams_between_layers(stack: LayerStack, tokens: Tensor) -> list[Tensor]:
    """The stream before each layer and after the last, each (sequences, seq, hidden)."""
    arguments = stack.attention_arguments(tokens.shape[1])
    streams = [stack.embed(tokens)]
    with torch.no_grad():
        for index in range(len(stack)):
            layer = stack.layer(index)
            streams.append(torch.cat([layer(part, **arguments) for part in streams[-1].split(_SEQUENCES_AT_ONCE)]))
            refuse_activations("activations", f"layer {index}", streams[-1])
    return streams


def _layer_gradients(
    index: int, layer: DecoderLayer, stream: Tensor, gradient: Tensor, arguments: dict[str, object]
) -> tuple[LayerGradients, Tensor]:
    """This layer's gradients, and the gradient before it; some sequences at a time."""
    middle, at_middle, before = torch.empty_like(stream), torch.empty_like(gradient), torch.empty_like(gradient)
    for start in range(0, len(stream), _SEQUENCES_AT_ONCE):
        part = slice(start, start + _SEQUENCES_AT_ONCE)
        middle[part], at_middle[:, part], before[:, part] = _part_gradients(
            layer, stream[part], gradient[:, part], arguments
        )
    return LayerGradients(index, stream, middle, at_middle, gradient), before


def _part_gradients(
    layer: DecoderLayer, stream: Tensor, gradient: Tensor, arguments: dict[str, object]
) -> tuple[Tensor, Tensor, Tensor]:
    with torch.enable_grad():
        entry = stream.detach().requires_grad_()
        attended = layer.attend(entry, **arguments)
        middle = (stream if attended is None else stream + attended).detach().requires_grad_()
        fed = layer.feed(middle)
    at_middle = torch.stack([one + _pull_back(fed, middle, one) for one in gradient])
    before = torch.stack([one + _pull_back(attended, entry, one) for one in at_middle])
    return middle.detach(), at_middle, before


def _pull_back(output: Tensor | None, entry: Tensor, gradient: Tensor) -> Tensor:
    """Jᵀ g of a sub-block; nothing where it is skipped."""
    if output is None:
        return torch.zeros_like(gradient)
    pulled: Tensor = torch.autograd.grad(output, entry, gradient, retain_graph=True)[0]
    return pulled


def sampled_gradient(head: Head, samples: int, seed: int) -> HeadGradient:
    """Gradients of log p(y) with y drawn from the model itself at every position: E[g gᵀ] is the Fisher information."""
    generator = torch.Generator().manual_seed(seed)

    def at_stream(stream: Tensor) -> Tensor:
        return _through_norm(head, stream, lambda normed: _sampled_rows(head.weight, normed, samples, generator))

    return at_stream


def _sampled_rows(weight: Tensor, normed: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """Gradients of log p(y) at normed rows (rows, hidden) -> (samples, rows, hidden): W_y − Σ_v p_v W_v."""
    probabilities = torch.softmax(normed @ weight.T, dim=-1)
    drawn = torch.multinomial(probabilities, samples, replacement=True, generator=generator)  # (rows, samples)
    return weight[drawn.T] - probabilities @ weight


def divergence_gradient(head: Head, parent_stream: Tensor, parent_head: Head) -> HeadGradient:
    """Gradient of Σ_t KL(parent‖child) at the child's final stream, one sample: (q − p) W through the norm."""
    parent_rows = parent_stream.flatten(0, -2).split(ROWS_AT_ONCE)

    def at_stream(stream: Tensor) -> Tensor:
        chunks = iter(parent_rows)

        def rows(normed: Tensor) -> Tensor:
            with torch.no_grad():
                parent = torch.softmax(parent_head(next(chunks)), dim=-1)
            return ((torch.softmax(normed @ head.weight.T, dim=-1) - parent) @ head.weight)[None]

        return _through_norm(head, stream, rows)

    return at_stream


def joined(*parts: HeadGradient) -> HeadGradient:
    """The samples of several, one after the other, so that one walk serves them all."""
    return lambda stream: torch.cat([part(stream) for part in parts])


def _through_norm(head: Head, stream: Tensor, rows: Callable[[Tensor], Tensor]) -> Tensor:
    """Carries gradients at the normed stream back through the final norm, some rows at a time."""
    parts = [_pull_through_norm(head, part, rows) for part in stream.flatten(0, -2).split(ROWS_AT_ONCE)]
    gradients: Tensor = torch.cat(parts, dim=1).unflatten(1, stream.shape[:-1])
    return gradients


def _pull_through_norm(head: Head, part: Tensor, rows: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.enable_grad():
        entry = part.detach().requires_grad_()
        normed = head.norm(entry)
    gradients = rows(normed.detach())
    return torch.stack([torch.autograd.grad(normed, entry, one, retain_graph=True)[0] for one in gradients])
