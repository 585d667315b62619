"""FFNs that read one stream as one wide FFN, exactly: X + Σ_j FFN_j(norm_j(X)) = X + FFN*(norm*(X)).

The norms of a run differ only in their gains. Each gain is folded into the columns of its own layer's gate and up
matrices, norm* has a gain of one; gate and up are stacked by rows, down by columns (FFN Fusion, arXiv 2503.18908, 3.1).
A child's run becomes its first layer's FFN, and its other layers skip theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.fusion.runs import Run
from blockwright.models.stack import LayerStack
from blockwright.variants import MODULE_NAMES, NORM_NAMES

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.models.weights import WeightSource

_NORM, _FFN = NORM_NAMES["ffn"], MODULE_NAMES["ffn"]
_IN_AN_FFN = re.compile(rf"model\.layers\.(\d+)\.((?:{_NORM}|{_FFN})\..+)")


def fuse(child: LayerStack, runs: Iterable[Run]) -> LayerStack:
    """The child with each run as one FFN, read a tensor at a time; the parallel sum is a model change, this is not."""
    wide = tuple(runs)
    source = FusedSource(child.source, wide)
    return LayerStack(fused_config(child.config, wide), source, child.dtype, str(child.device))


def fused_config(config: BlockwrightConfig, runs: Iterable[Run]) -> BlockwrightConfig:
    """The first layer of each run as wide as the run, the FFNs of its others skipped."""
    data = config.to_dict()
    overrides = {int(layer): dict(values) for layer, values in (data.pop("per_layer_config", None) or {}).items()}
    for run in runs:
        first, *others = run.layers
        overrides.setdefault(first, {})["intermediate_size"] = run.width
        for layer in others:
            values = overrides.setdefault(layer, {})
            values.pop("intermediate_size", None)
            values["skip"] = [*values.get("skip", []), "mlp"]
    return BlockwrightConfig(**data, per_layer_config=overrides)


class FusedSource:
    """Weights of a child with wide FFNs; members' weights are joined when the wide one's are asked for."""

    def __init__(self, source: WeightSource, runs: Sequence[Run]) -> None:
        self.source = source
        self._runs = {run.layers[0]: run for run in runs}
        self._gone = {layer for run in runs for layer in run.layers[1:]}

    def names(self) -> Iterable[str]:
        return (name for name in self.source.names() if _place(name)[0] not in self._gone)

    def read(self, name: str) -> Tensor:
        layer, inside = _place(name)
        if layer in self._gone:
            raise KeyError(name)
        return self._joined(self._runs[layer], inside) if layer in self._runs else self.source.read(name)

    def _joined(self, run: Run, inside: str) -> Tensor:
        if inside == f"{_NORM}.weight":
            return torch.ones_like(self._member(run.layers[0], inside))
        members = [self._folded(layer, inside) for layer in run.layers]
        return _JOINS[inside.removeprefix(f"{_FFN}.")](members)

    def _folded(self, layer: int, inside: str) -> Tensor:
        """A member's tensor; gate and up take the norm's gain, in float64, where products of float32 are exact."""
        tensor = self._member(layer, inside)
        if inside not in (f"{_FFN}.gate_proj.weight", f"{_FFN}.up_proj.weight"):
            return tensor
        return tensor.double() * self._member(layer, f"{_NORM}.weight").double()

    def _member(self, layer: int, inside: str) -> Tensor:
        return self.source.read(f"model.layers.{layer}.{inside}")


def _place(name: str) -> tuple[int, str]:
    """Its layer and its name inside that; layer -1 for what belongs to no FFN."""
    match = _IN_AN_FFN.fullmatch(name)
    return (-1, name) if match is None else (int(match[1]), match[2])


def _by_rows(members: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(members), dim=0)


def _by_columns(members: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(members), dim=1)


def _summed(members: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(members)).double().sum(dim=0)


_JOINS: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "gate_proj.weight": _by_rows,
    "up_proj.weight": _by_rows,
    "down_proj.weight": _by_columns,
    "gate_proj.bias": _by_rows,
    "up_proj.bias": _by_rows,
    "down_proj.bias": _summed,
}
