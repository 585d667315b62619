"""Runs of FFNs with nothing else between them on the stream, which may become one (FFN Fusion, arXiv 2503.18908, 3).

Only what is skipped leaves no trace: a linear map in the place of an attention or of an FFN still changes the stream
between its neighbours, and no gated FFN can take it in, so it ends a run as an attention does. Skipped FFNs do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.problem import Joined


@dataclass(frozen=True)
class LayerSketch:
    """What a layer puts on the stream: attention or not (a linear one counts), and how wide its FFN is.

    `ffn_width` is 0 where there is no FFN, and None for a sub-block that is no gated FFN.
    """

    attention: bool
    ffn_width: int | None


@dataclass(frozen=True)
class Run:
    """FFNs that follow each other; `layers` are those that have one, so it leaves out what is skipped between them."""

    layers: tuple[int, ...]
    widths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.layers)

    def __str__(self) -> str:
        """`42-51`."""
        return str(self.layers[0]) if len(self) == 1 else f"{self.layers[0]}-{self.layers[-1]}"

    @property
    def width(self) -> int:
        """Of the FFN that all of them make."""
        return sum(self.widths)

    def part(self, start: int, stop: int) -> Run:
        """The members from `start` to before `stop`, by their places in the run."""
        return Run(self.layers[start:stop], self.widths[start:stop])


def find_runs(sketches: Sequence[LayerSketch], leading: bool = True) -> tuple[Run, ...]:
    """All runs of two FFNs or more, in order.

    `leading` lets in the FFN that follows an attention directly: nothing parts it from the next layer's FFN when that
    layer has no attention. The published children leave it out: their runs are layers without attention.
    """
    runs: list[list[tuple[int, int]]] = [[]]
    for layer, sketch in enumerate(sketches):
        if sketch.attention or sketch.ffn_width is None:
            runs.append([])
        if sketch.ffn_width and (leading or not sketch.attention):
            runs[-1].append((layer, sketch.ffn_width))
    return tuple(_run(members) for members in runs if len(members) > 1)


def joined_runs(sketches: Sequence[LayerSketch], joined: Joined) -> tuple[Run, ...]:
    """What joins of neighbours (`ffn.3` and `ffn.4`) make, in order; skipped FFNs among them are left out."""
    lefts = {SubBlock.parse(left).layer for left, _ in joined}
    runs: list[list[tuple[int, int]]] = [[]]
    for layer, sketch in enumerate(sketches):
        if layer - 1 not in lefts:
            runs.append([])
        if sketch.ffn_width:
            runs[-1].append((layer, sketch.ffn_width))
    return tuple(_run(members) for members in runs if len(members) > 1)


def _run(members: Iterable[tuple[int, int]]) -> Run:
    layers, widths = zip(*members, strict=True)
    return Run(layers, widths)


def sketch_layers(config: BlockwrightConfig) -> tuple[LayerSketch, ...]:
    """The layers of a child, as its config has them."""
    return tuple(_sketch(config.layer(index)) for index in range(config.num_hidden_layers))


def _sketch(layer: BlockwrightConfig) -> LayerSketch:
    if "mlp" in layer.skip:
        return LayerSketch("attention" not in layer.skip, 0)
    is_gated = layer.mlp_kind == "standard"
    return LayerSketch("attention" not in layer.skip, int(layer.intermediate_size) if is_gated else None)
