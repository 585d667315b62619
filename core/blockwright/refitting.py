"""Healing without gradients: output projections solved again on the child's own inputs, layer after layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from blockwright.child.modeling_blockwright import DecoderLayer
from blockwright.events import emit
from blockwright.regression import ridge
from blockwright.stack import LayerStack
from blockwright.variants import MODULE_NAMES, NORM_NAMES, OUTPUT_PROJECTIONS, SLOTS, Slot
from blockwright.weights import WeightSource

REFITTED = (*OUTPUT_PROJECTIONS.values(), "linear")  # projections that are solved for, whichever a module has
_SEQUENCES_AT_ONCE = 8


@dataclass(frozen=True)
class RefitRule:
    """How one refit is made.

    `ridge` pulls each projection towards its present weights, in units of the mean diagonal of the moment.
    `correction` is the share of the error that earlier layers left in the stream which this projection is asked
    to take back (0: only its own output; 1: all of it).
    """

    ridge: float
    correction: float


@dataclass(frozen=True)
class _Side:
    """One model on its way through the layers: its stream (sequences, seq, hidden) and one of its sub-blocks."""

    norm: nn.Module | None
    module: nn.Module | None
    stream: Tensor
    arguments: Mapping[str, object]

    def features(self, part: slice) -> Tensor:
        """What the sub-block's output projection reads."""
        assert self.norm is not None and self.module is not None
        features: Tensor = self.module.features(self.norm(self.stream[part]), **self.arguments)  # type: ignore[operator]
        return features

    def output(self, part: slice) -> Tensor:
        """What the sub-block adds to the stream."""
        if self.norm is None or self.module is None:
            return torch.zeros_like(self.stream[part])
        output: Tensor = self.module(self.norm(self.stream[part]), **self.arguments)
        return output

    def advance(self) -> None:
        """Moves the stream past the sub-block, in place."""
        for part in _parts(self.stream):
            self.stream[part] += self.output(part)


def refitted_weights(parent: LayerStack, child: LayerStack, tokens: Tensor, rule: RefitRule) -> dict[str, Tensor]:
    """New output projections of every sub-block of the child, by their checkpoint names.

    Both models run side by side on tokens (sequences, seq); two streams and two layers are resident. Each
    projection is the ridge solution of what it should add: the parent's output, plus the error in the child's
    stream. Tokens weigh 1 / mean square of the parent's stream, as the norms that read the stream see it;
    otherwise a few tokens of huge norm would decide the fit.
    """
    weights: dict[str, Tensor] = {}
    streams = parent.embed(tokens), child.embed(tokens)
    arguments = parent.attention_arguments(tokens.shape[1]), child.attention_arguments(tokens.shape[1])
    for index in range(len(child)):
        layers = parent.layer(index), child.layer(index)
        for slot in SLOTS:
            theirs, ours = (_side(slot, *each) for each in zip(layers, streams, arguments, strict=True))
            name = refit_sub_block(theirs, ours, rule)
            if name is not None:
                module = MODULE_NAMES[slot]
                projection = layers[1].get_submodule(f"{module}.{name}")
                weights[f"model.layers.{index}.{module}.{name}.weight"] = projection.get_parameter("weight")
        emit("layer_refitted", done=index + 1, total=len(child), layer=index)
    return weights


def _side(slot: Slot, layer: DecoderLayer, stream: Tensor, arguments: Mapping[str, object]) -> _Side:
    norm: nn.Module | None = getattr(layer, NORM_NAMES[slot])
    module: nn.Module | None = getattr(layer, MODULE_NAMES[slot])
    return _Side(norm, module, stream, arguments if slot == "attention" else {})


def refit_sub_block(theirs: _Side, ours: _Side, rule: RefitRule) -> str | None:
    """Solves for the child's projection in place and moves both streams on; the projection's name, if it has one."""
    name = next((name for name in REFITTED if hasattr(ours.module, name)), None)
    with torch.no_grad():
        if name is not None and ours.module is not None:
            projection = ours.module.get_submodule(name)
            assert isinstance(projection, nn.Linear)
            projection.weight = nn.Parameter(_solve(theirs, ours, projection, rule), requires_grad=False)
        else:
            theirs.advance()
        ours.advance()
    return name


def _solve(theirs: _Side, ours: _Side, projection: nn.Linear, rule: RefitRule) -> Tensor:
    """The projection (hidden, features) of least weighted squared error; the parent's stream moves on in the pass."""
    inputs = torch.zeros(projection.in_features, projection.in_features, dtype=torch.float64)
    cross = torch.zeros(projection.in_features, projection.out_features, dtype=torch.float64)
    for part in _parts(ours.stream):
        output = theirs.output(part)
        wanted = output + rule.correction * (theirs.stream[part] - ours.stream[part])
        wanted = wanted if projection.bias is None else wanted - projection.bias
        weight = theirs.stream[part].square().mean(dim=-1, keepdim=True).clamp_min(1e-12).rsqrt()
        features = (ours.features(part) * weight).flatten(0, -2)
        inputs += features.T @ features
        cross += features.T @ (wanted * weight).flatten(0, -2)
        theirs.stream[part] += output
    return ridge(inputs, cross, rule.ridge, towards=projection.weight.T).T.to(projection.weight.dtype)


def _parts(stream: Tensor) -> Iterable[slice]:
    return (slice(start, start + _SEQUENCES_AT_ONCE) for start in range(0, len(stream), _SEQUENCES_AT_ONCE))


class Replaced:
    """A weight source with some tensors in the place of others."""

    def __init__(self, source: WeightSource, tensors: Mapping[str, Tensor]) -> None:
        self.source, self.tensors = source, tensors

    def names(self) -> Iterable[str]:
        return self.source.names()

    def read(self, name: str) -> Tensor:
        return self.tensors[name] if name in self.tensors else self.source.read(name)
