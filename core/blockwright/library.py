"""The block library: weights of every variant of every sub-block, one safetensors file a sub-block."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from blockwright.errors import UserError
from blockwright.files import write_atomically
from blockwright.variants import MODULE_NAMES, ParentRows, SubBlock, VariantSpec, Weights

if TYPE_CHECKING:
    from blockwright.models.weights import WeightSource


class Library:
    """Reads the library in `directory`. Slices of the parent are stored as an index, never as a second copy."""

    def __init__(self, directory: Path, parent: WeightSource) -> None:
        self.directory, self.parent = directory, parent

    def sub_blocks(self) -> tuple[SubBlock, ...]:
        """Those that are built, in the order that data takes."""
        return tuple(sorted(SubBlock.parse(path.stem) for path in self.directory.glob("*.*.safetensors")))

    def variants(self, sub_block: SubBlock) -> tuple[VariantSpec, ...]:
        return tuple(self._manifest(sub_block))

    def assignment(self, labels: Mapping[str, str]) -> dict[SubBlock, VariantSpec]:
        """A solution's labels by sub-block as concrete variants; KeyError for one that is not built."""
        by_label = {name: {spec.label: spec for spec in self.variants(SubBlock.parse(name))} for name in labels}
        return {SubBlock.parse(name): by_label[name][label] for name, label in labels.items()}

    def decisions(self, sub_block: SubBlock) -> Decisions:
        """What each way of building a variant loses on held-back text, where there were several."""
        decisions: Decisions = self._read_manifest(sub_block)["decisions"]
        return decisions

    def weights(self, sub_block: SubBlock, spec: VariantSpec) -> dict[str, Tensor]:
        """The variant's weights by their names inside the sub-block, norm not included."""
        from safetensors import safe_open

        with safe_open(self._path(sub_block), framework="pt") as file:
            entries = self._manifest(sub_block)[spec]
            return {name: self._tensor(sub_block, file, entry) for name, entry in entries.items()}

    def channels(self, sub_block: SubBlock, spec: VariantSpec) -> tuple[Tensor, dict[str, Tensor]] | None:
        """For an FFN variant that only drops channels: those it keeps, and its own output projection; else None."""
        from safetensors import safe_open

        entries = self._manifest(sub_block)[spec]
        own = {name: str(entry["tensor"]) for name, entry in entries.items() if "rows_of" not in entry}
        indices = {str(entry["tensor"]) for entry in entries.values() if "rows_of" in entry}
        only_drops = (
            sub_block.slot == "ffn" and len(indices) == 1 and own.keys() <= {"down_proj.weight", "down_proj.bias"}
        )
        if not only_drops:
            return None
        with safe_open(self._path(sub_block), framework="pt") as file:
            kept = file.get_tensor(indices.pop()).long()
            return kept, {name: file.get_tensor(tensor) for name, tensor in own.items()}

    def _tensor(self, sub_block: SubBlock, file: object, entry: Mapping[str, object]) -> Tensor:
        tensor: Tensor = file.get_tensor(entry["tensor"])  # type: ignore[attr-defined]
        if "rows_of" not in entry:
            return tensor
        prefix = f"model.layers.{sub_block.layer}.{MODULE_NAMES[sub_block.slot]}."
        return self.parent.read(prefix + str(entry["rows_of"])).index_select(int(str(entry["dim"])), tensor.long())

    def _manifest(self, sub_block: SubBlock) -> dict[VariantSpec, dict[str, dict[str, object]]]:
        rows = self._read_manifest(sub_block)["variants"]
        return {VariantSpec.from_dict(row["variant"]): row["weights"] for row in rows}

    def _read_manifest(self, sub_block: SubBlock) -> dict[str, Any]:
        from safetensors import safe_open

        with safe_open(self._path(sub_block), framework="pt") as file:
            manifest: dict[str, Any] = json.loads(file.metadata()["library"])
        return manifest

    def _path(self, sub_block: SubBlock) -> Path:
        return sub_block_path(self.directory, sub_block)


def sub_block_path(directory: Path, sub_block: SubBlock) -> Path:
    return directory / f"{sub_block}.safetensors"


class OutlinedLibrary(Library):
    """Of a dry run: which variants there would be, by `variants.json` in `directory`, and no weights."""

    FILE = "variants.json"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        rows: dict[str, list[dict[str, object]]] = json.loads((directory / self.FILE).read_text())
        self._specs = {SubBlock.parse(name): tuple(map(VariantSpec.from_dict, specs)) for name, specs in rows.items()}

    def sub_blocks(self) -> tuple[SubBlock, ...]:
        return tuple(sorted(self._specs))

    def variants(self, sub_block: SubBlock) -> tuple[VariantSpec, ...]:
        return self._specs[sub_block]

    def _path(self, sub_block: SubBlock) -> Path:
        raise UserError(f"{self.directory}: a dry run builds no {sub_block}; run it with parent.weights=true")


Decisions = Mapping[str, Mapping[str, float]]  # by variant label and way of building it: loss on held-back text


def write_sub_block(
    directory: Path, sub_block: SubBlock, built: Mapping[VariantSpec, Weights], decisions: Decisions
) -> None:
    """Writes one sub-block's variants at once, by atomic rename; equal index tensors are stored once.

    All metadata is under one key, since safetensors writes several in any order.
    """
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    rows = [{"variant": spec.to_dict(), "weights": _entries(spec, weights, tensors)} for spec, weights in built.items()]
    tensors = tensors or {"empty": torch.zeros(1)}
    with write_atomically(sub_block_path(directory, sub_block)) as path:
        save_file(tensors, path, metadata={"library": json.dumps({"variants": rows, "decisions": decisions})})


def _entries(spec: VariantSpec, weights: Weights, tensors: dict[str, Tensor]) -> dict[str, dict[str, object]]:
    """Adds a variant's tensors under their labels and returns where each of its weights is to be found."""
    entries: dict[str, dict[str, object]] = {}
    indices: list[tuple[ParentRows, str]] = []
    for name, weight in weights.items():
        key = f"{spec.label}/{name}"
        if not isinstance(weight, ParentRows):
            tensors[key] = weight.contiguous()
            entries[name] = {"tensor": key}
            continue
        twin = next((key for rows, key in indices if torch.equal(rows.index, weight.index)), None)
        if twin is None:
            tensors[key] = weight.index.to(torch.int32).contiguous()
            indices.append((weight, key))
        entries[name] = {"tensor": twin or key, "rows_of": weight.tensor, "dim": weight.dim}
    return entries
