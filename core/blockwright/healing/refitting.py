"""Healing without gradients: output projections solved again on the child's own inputs, layer after layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from blockwright.building.regression import OutputWeightedRidge, ridge
from blockwright.child.modeling_blockwright import DecoderLayer
from blockwright.events import emit
from blockwright.healing.texts import HealingTexts
from blockwright.models.stack import SEQUENCES_AT_ONCE, LayerStack
from blockwright.models.weights import WeightSource
from blockwright.variants import MODULE_NAMES, NORM_NAMES, OUTPUT_PROJECTIONS, SLOTS, Slot, SubBlock

REFITTED = (*OUTPUT_PROJECTIONS.values(), "linear")  # projections that are solved for, whichever a module has
NEGLIGIBLE = 1e-9  # errors below this share of the output are rounding


@dataclass(frozen=True)
class RefitRule:
    """One way of making a refit.

    `ridge` pulls a projection towards its present weights, in units of the mean diagonal of the moment.
    `correction` is the share of the error that earlier layers left in the stream which the projection is asked
    to take back (0: its own output alone; 1: all of it). `output_weighted` measures the error through
    G = E[g gᵀ], g = ∂ log p(y) / ∂ output, instead of counting all directions alike.
    """

    ridge: float
    correction: float = 1.0
    output_weighted: bool = False

    def __str__(self) -> str:
        metric = "output-weighted" if self.output_weighted else "plain"
        return f"{metric}, ridge {self.ridge:g}, correction {self.correction:g}"


PRESENT = "as it was"


@dataclass(frozen=True)
class Decision:
    """What each rule leaves of the error on held-back text, as a share of what the present weights leave.

    The least is taken; where there is no error, as before the first replaced sub-block, no rule is tried.
    """

    sub_block: SubBlock
    shares: Mapping[str, float]

    @property
    def taken(self) -> str:
        return min(self.shares, key=lambda rule: self.shares[rule])


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


class _Moments:
    """Weighted moments of one sub-block: features φ, the parent's output y and the error e in the child's stream.

    Tokens weigh 1 / mean square of the parent's stream, as the norms that read the stream see it; otherwise a few
    tokens of huge norm would decide the fit.
    """

    def __init__(self, projection: nn.Linear) -> None:
        width, hidden = projection.in_features, projection.out_features
        self.inputs = torch.zeros(width, width, dtype=torch.float64)
        self.own = torch.zeros(width, hidden, dtype=torch.float64)
        self.error = torch.zeros(width, hidden, dtype=torch.float64)
        self.targets = torch.zeros(hidden, hidden, dtype=torch.float64)

    def add(self, features: Tensor, output: Tensor, error: Tensor, stream: Tensor) -> None:
        """One part, each (sequences, seq, …)."""
        weight = stream.square().mean(dim=-1, keepdim=True).clamp_min(1e-12).rsqrt()
        features, output, error = ((each * weight).flatten(0, -2) for each in (features, output, error))
        wanted = output + error
        self.inputs += features.T @ features
        self.own += features.T @ output
        self.error += features.T @ error
        self.targets += wanted.T @ wanted

    def loss(self, weights: Tensor, output_moment: Tensor) -> float:
        """tr(G EᵀE) of a projection (width, hidden) against output plus whole error, in closed form."""
        weights = weights.double()
        crossed = (self.own + self.error).T @ weights
        residual = self.targets - crossed - crossed.T + weights.T @ self.inputs @ weights
        return float((residual * output_moment.double()).sum())


OutputMoments = Mapping[SubBlock, Tensor]  # G (hidden, hidden) at each sub-block's output


class Refitting:
    """Walks parent and child side by side and solves for one output projection after the other."""

    def __init__(
        self, parent: LayerStack, child: LayerStack, rules: Sequence[RefitRule], moments: OutputMoments
    ) -> None:
        self.parent, self.child, self.rules, self.moments = parent, child, rules, moments
        self.weights: dict[str, Tensor] = {}
        self.decisions: list[Decision] = []

    def run(self, texts: HealingTexts) -> LayerStack:
        """The child with the projections of the best rules; `decisions` says which, `weights` holds them by name.

        Four streams and two layers are resident.
        """
        sets = (texts.calibration, texts.heldback)
        streams = [(self.parent.embed(tokens), self.child.embed(tokens)) for tokens in sets]
        length = texts.calibration.shape[1]
        arguments = self.parent.attention_arguments(length), self.child.attention_arguments(length)
        for index in range(len(self.child)):
            layers = self.parent.layer(index), self.child.layer(index)
            for slot in SLOTS:
                sides = [_sides(slot, layers, pair, arguments) for pair in streams]
                self._sub_block(SubBlock(index, slot), sides)
            emit("layer_refitted", done=index + 1, total=len(self.child), layer=index)
        return LayerStack(self.child.config, Replaced(self.child.source, self.weights))

    def _sub_block(self, sub_block: SubBlock, sides: Sequence[tuple[_Side, _Side]]) -> None:
        """Refits where there is a projection, and moves all streams on."""
        module = sides[0][1].module
        name = next((name for name in REFITTED if hasattr(module, name)), None)
        with torch.no_grad():
            if module is None or name is None:
                for theirs, _ in sides:
                    theirs.advance()
            else:
                projection = module.get_submodule(name)
                assert isinstance(projection, nn.Linear)
                self._refit(sub_block, name, projection, [_measured(*pair, projection) for pair in sides])
            for _, ours in sides:
                ours.advance()

    def _refit(self, sub_block: SubBlock, name: str, projection: nn.Linear, measured: Sequence[_Moments]) -> None:
        calibration, heldback = measured
        present, metric = projection.weight.T, self.moments[sub_block]
        solved = {PRESENT: present, **dict(_solutions(self.rules, calibration, present, metric))}
        losses = {rule: heldback.loss(weights, metric) for rule, weights in solved.items()}
        nothing_to_mend = losses[PRESENT] <= NEGLIGIBLE * heldback.loss(torch.zeros_like(present), metric)
        shares = {PRESENT: 1.0} if nothing_to_mend else {rule: loss / losses[PRESENT] for rule, loss in losses.items()}
        self.decisions.append(Decision(sub_block, shares))
        taken = self.decisions[-1].taken
        if taken == PRESENT:
            return
        weight = solved[taken].T.contiguous().to(projection.weight.dtype)
        projection.weight = nn.Parameter(weight, requires_grad=False)
        self.weights[f"model.layers.{sub_block.layer}.{MODULE_NAMES[sub_block.slot]}.{name}.weight"] = weight


def _sides(
    slot: Slot,
    layers: tuple[DecoderLayer, DecoderLayer],
    streams: tuple[Tensor, Tensor],
    arguments: tuple[Mapping[str, object], Mapping[str, object]],
) -> tuple[_Side, _Side]:
    """The parent's side and the child's."""
    theirs, ours = (_side(slot, *each) for each in zip(layers, streams, arguments, strict=True))
    return theirs, ours


def _side(slot: Slot, layer: DecoderLayer, stream: Tensor, arguments: Mapping[str, object]) -> _Side:
    norm: nn.Module | None = getattr(layer, NORM_NAMES[slot])
    module: nn.Module | None = getattr(layer, MODULE_NAMES[slot])
    return _Side(norm, module, stream, arguments if slot == "attention" else {})


def _measured(theirs: _Side, ours: _Side, projection: nn.Linear) -> _Moments:
    """The moments on one text; the parent's stream moves on in the same pass."""
    moments = _Moments(projection)
    for part in _parts(ours.stream):
        output, error = theirs.output(part), theirs.stream[part] - ours.stream[part]
        wanted = output if projection.bias is None else output - projection.bias
        moments.add(ours.features(part), wanted, error, theirs.stream[part])
        theirs.stream[part] += output
    return moments


def _solutions(
    rules: Sequence[RefitRule], moments: _Moments, present: Tensor, metric: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Each rule's projection (width, hidden)."""
    weighted = None
    for rule in rules:
        cross = moments.own + rule.correction * moments.error
        if not rule.output_weighted:
            yield str(rule), ridge(moments.inputs, cross, rule.ridge, towards=present)
            continue
        weighted = weighted or OutputWeightedRidge(moments.inputs, metric)
        yield str(rule), weighted.solve(cross, rule.ridge, present)


def _parts(stream: Tensor) -> Iterable[slice]:
    return (slice(start, start + SEQUENCES_AT_ONCE) for start in range(0, len(stream), SEQUENCES_AT_ONCE))


class Replaced:
    """A weight source with some tensors in the place of others."""

    def __init__(self, source: WeightSource, tensors: Mapping[str, Tensor]) -> None:
        self.source, self.tensors = source, tensors

    def names(self) -> Iterable[str]:
        return self.source.names()

    def read(self, name: str) -> Tensor:
        return self.tensors[name] if name in self.tensors else self.source.read(name)
