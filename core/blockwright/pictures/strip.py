"""What a child looks like, layer by layer, as values to draw; `terminal` and `svg` draw them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from blockwright.variants import Slot, SubBlock

Look = Literal["kept", "reduced", "linear", "skipped", "other"]
LOOKS: Mapping[Look, str] = {  # in the words of the legend
    "kept": "kept",
    "reduced": "share kept",
    "linear": "linear",
    "skipped": "skipped",
    "other": "another kind",
}

_LOOK_OF_KIND: Mapping[str, Look] = {
    "keep": "kept",
    "linear": "linear",
    "skip": "skipped",
    "kv_heads": "reduced",
    "narrow": "reduced",
}


@dataclass(frozen=True)
class Cell:
    """One sub-block: its variant's label, and how large it is as a share of the parent's."""

    sub_block: SubBlock
    label: str
    share: float

    @property
    def look(self) -> Look:
        kind = self.label.partition("=")[0].partition("(")[0]
        return _LOOK_OF_KIND.get(kind, "other")

    @property
    def sentence(self) -> str:
        """`layer 3, attention: kv_heads=1, 42% of the parent's weights`."""
        what = f"layer {self.sub_block.layer}, {self.sub_block.slot}: {self.label}"
        return what if self.look in ("kept", "skipped") else f"{what}, {self.share:.0%} of the parent's weights"


@dataclass(frozen=True)
class Strip:
    """A row of cells for each slot, one a layer; layers whose FFNs run as one, and layers that run side by side."""

    attention: tuple[Cell, ...]
    ffn: tuple[Cell, ...]
    fused: tuple[range, ...] = ()
    parallel: tuple[range, ...] = ()

    def row(self, slot: Slot) -> tuple[Cell, ...]:
        return self.attention if slot == "attention" else self.ffn

    def __len__(self) -> int:
        return len(self.attention)

    @property
    def attention_free_runs(self) -> tuple[range, ...]:
        """Runs of two layers or more whose attention is skipped: what FFN fusion can join."""
        runs: list[range] = []
        for layer, cell in enumerate(self.attention):
            if cell.look != "skipped":
                continue
            goes_on = bool(runs) and runs[-1].stop == layer
            runs[-1:] = [range(runs[-1].start, layer + 1)] if goes_on else [*runs[-1:], range(layer, layer + 1)]
        return tuple(run for run in runs if len(run) > 1)

    def joining(self, joined: Iterable[Sequence[str]]) -> Strip:
        """With what transforms have joined: FFNs by name (`ffn.3`), whole layers as `layer.3`."""
        groups = [(parts[0].partition(".")[0], [int(part.partition(".")[2]) for part in parts]) for parts in joined]
        ranges = [(kind, range(min(layers), max(layers) + 1)) for kind, layers in groups]
        fused = (one for kind, one in ranges if kind == "ffn")
        parallel = (one for kind, one in ranges if kind == "layer")
        return replace(self, fused=(*self.fused, *fused), parallel=(*self.parallel, *parallel))

    @property
    def summary(self) -> str:
        """One sentence for those who do not see the picture."""
        counts = {slot: sum(cell.look == "kept" for cell in self.row(slot)) for slot in ("attention", "ffn")}
        text = f"{len(self)} layers: {counts['attention']} attentions and {counts['ffn']} FFNs as in the parent"
        told = [("no attention in layers {}", self.attention_free_runs), ("FFNs of layers {} run as one", self.fused)]
        told += [("layers {} run side by side", self.parallel)]
        return "; ".join([text, *(words.format(", ".join(map(first_to_last, runs))) for words, runs in told if runs)])


def first_to_last(run: range) -> str:
    """`42-50`."""
    return f"{run.start}-{run.stop - 1}"


def strip_of(chosen: Mapping[str, str], params: Mapping[str, Mapping[str, float]]) -> Strip:
    """From a solution's labels and each variant's parameters, both by sub-block (`attention.3`).

    What a layer has no label for is kept. KeyError for a label without parameters.
    """
    sub_blocks = [SubBlock.parse(name) for name in chosen]
    layers = 1 + max((sub_block.layer for sub_block in sub_blocks), default=-1)

    def row(slot: Slot) -> tuple[Cell, ...]:
        return tuple(_cell(SubBlock(layer, slot), chosen, params) for layer in range(layers))

    return Strip(row("attention"), row("ffn"))


def _cell(sub_block: SubBlock, chosen: Mapping[str, str], params: Mapping[str, Mapping[str, float]]) -> Cell:
    label = chosen.get(str(sub_block), "keep")
    if label == "keep":
        return Cell(sub_block, label, 1.0)
    sizes = params[str(sub_block)]
    return Cell(sub_block, label, sizes[label] / sizes["keep"] if sizes["keep"] else 0.0)
