"""A model as a stack of layers that are loaded one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from blockwright.child.modeling_blockwright import DecoderLayer, RMSNorm, RotaryEmbedding
from blockwright.errors import UserError
from blockwright.models.weights import WeightSource

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig

SEQUENCES_AT_ONCE = 8  # that pass a layer together, so that its inner activations stay small
Positions = tuple[Tensor, Tensor]  # cosines and sines, each (1, seq, head_dim)


class LayerStack:
    """Embedding, layers and head of a decoder, each read from `source` when it is asked for.

    One layer is resident at a time, so that memory does not grow with depth. All sequences of a batch are of
    one length and unpadded.
    """

    def __init__(
        self, config: BlockwrightConfig, source: WeightSource, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> None:
        self.config, self.source, self.dtype, self.device = config, source, dtype, torch.device(device)
        self.config._attn_implementation = "sdpa"

    def __len__(self) -> int:
        return int(self.config.num_hidden_layers)

    def read(self, name: str) -> Tensor:
        return self.source.read(name).to(self.device, self.dtype)

    def embed(self, tokens: Tensor) -> Tensor:
        """tokens (batch, seq) -> residual stream (batch, seq, hidden)."""
        return nn.functional.embedding(tokens.to(self.device), self.read("model.embed_tokens.weight"))

    def layer(self, index: int, side_by_side: bool = False) -> DecoderLayer:
        """Layer `index` with its weights, in evaluation mode, no gradients on weights.

        UserError for a layer that runs beside others where the caller does not say that it knows of them.
        """
        for first, last in self.config.parallel_windows if not side_by_side else ():
            if first <= index <= last:
                raise UserError(
                    f"layers {first}-{last} of this child run side by side, which what walks layer by layer cannot do; "
                    "put `block-parallel` behind it, or leave it out"
                )
        with torch.device("meta"):
            layer = DecoderLayer(self.config, index)
        prefix = f"model.layers.{index}."
        state = {name: self.read(prefix + name) for name in layer.state_dict()}
        layer.load_state_dict(state, assign=True)
        return layer.eval().requires_grad_(False)

    def positions(self, length: int) -> Positions:
        """Rotary cosines and sines of positions 0 … length-1."""
        rotary = RotaryEmbedding(self.config).to(self.device)
        cos, sin = rotary(
            torch.zeros(1, dtype=self.dtype, device=self.device), torch.arange(length, device=self.device)[None]
        )
        return cos, sin

    def attention_arguments(self, length: int, windows: Iterable[int | None] = ()) -> dict[str, object]:
        """What a layer's attention needs beside the stream: positions, and a mask for each sliding window (or None).

        `windows`: others than those of the stack's own layers, for variants that stand in their place.
        """
        every = {self.config.layer(index).sliding_window for index in range(len(self))} | set(windows)
        masks = {window: self._mask(window, length) for window in every}
        return {"position_embeddings": self.positions(length), "attention_mask": masks}

    def _mask(self, window: int | None, length: int) -> Tensor | None:
        """None where attention is plainly causal, so that the fast kernels serve."""
        if window is None or length <= window:
            return None
        distance = torch.arange(length)[:, None] - torch.arange(length)[None]
        return ((distance >= 0) & (distance < window))[None, None].to(self.device)

    def head(self) -> Head:
        """Final norm and output embedding."""
        norm = RMSNorm(self.config.hidden_size, self.config.rms_norm_eps)
        norm.load_state_dict({"weight": self.read("model.norm.weight")}, assign=True)
        tied = self.config.tie_word_embeddings
        return Head(norm.requires_grad_(False), self.read("model.embed_tokens.weight" if tied else "lm_head.weight"))


class Head(nn.Module):
    """Residual stream (…, hidden) -> logits (…, vocab)."""

    def __init__(self, norm: RMSNorm, weight: Tensor) -> None:
        super().__init__()
        self.norm, self.weight = norm, weight

    def forward(self, stream: Tensor) -> Tensor:
        return nn.functional.linear(self.norm(stream), self.weight)


def added_to(stream: Tensor, part: Callable[[Tensor], Tensor | None]) -> Tensor | None:
    """What a part of a model adds to a stream (sequences, seq, hidden), some sequences at a time; None for nothing."""
    with torch.no_grad():
        found = [part(few) for few in stream.split(SEQUENCES_AT_ONCE)]
    whole = [added for added in found if added is not None]
    return torch.cat(whole) if whole else None


def run_layers(stack: LayerStack, stream: Tensor, start: int = 0) -> Tensor:
    """The stream (sequences, seq, hidden) after the layers from `start` on, in place, layer by layer.

    Layers that run side by side all read a copy of the stream before the first of them.
    """
    if stack.config.shares_input(start):
        raise ValueError(f"layer {start} shares its input with the layer before it; start at the first of them")
    arguments, shared = stack.attention_arguments(stream.shape[1]), stream
    for index in range(start, len(stack)):
        layer, beside = stack.layer(index, side_by_side=True), stack.config.shares_input(index)
        if not beside:
            shared = stream.clone() if stack.config.shares_input(index + 1) else stream
        with torch.no_grad():
            for batch, read in zip(stream.split(SEQUENCES_AT_ONCE), shared.split(SEQUENCES_AT_ONCE), strict=True):
                batch.copy_(layer(read, batch if beside else None, **arguments))
    return stream
