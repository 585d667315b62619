"""What was learnt, one file a sub-block: the trained weights by their names in the checkpoint, and how it went."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from blockwright.files import write_atomically
from blockwright.healing.block_distillation.training import Losses
from blockwright.models.weights import WeightSource


@dataclass(frozen=True)
class Record:
    """One sub-block (`ffn.3`) or pair (`layer.3`) before and after; `step` is that of its best weights, 0 the first."""

    name: str
    before: Losses
    after: Losses
    step: int
    tokens_per_s: float

    @property
    def share_left(self) -> float:
        """Of the loss that the judge saw."""
        return self.after.judged / self.before.judged if self.before.judged > 0 else 1.0


class TrainedSource:
    """A child's weights with the trained ones in their place, read from their files one at a time."""

    def __init__(self, source: WeightSource, directory: Path) -> None:
        self.source = source
        self._file_of = {name: path for path in _results(directory) for name in _names(path)}

    def names(self) -> Iterable[str]:
        return self.source.names()

    def read(self, name: str) -> Tensor:
        if name not in self._file_of:
            return self.source.read(name)
        with safe_open(self._file_of[name], framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
            return tensor


def result_path(directory: Path, name: str) -> Path:
    return directory / f"{name}.safetensors"


def write_result(directory: Path, record: Record, weights: Mapping[str, Tensor]) -> None:
    """`weights` by their names inside the layer; none where training did not pay."""
    prefix = f"model.layers.{record.name.partition('.')[2]}."
    tensors = {prefix + name: weight.contiguous() for name, weight in weights.items()} or {"empty": torch.zeros(1)}
    with write_atomically(result_path(directory, record.name)) as path:
        save_file(tensors, path, metadata={"record": json.dumps(asdict(record))})


def read_records(directory: Path) -> tuple[Record, ...]:
    """In the order of the layers."""
    return tuple(_read_record(path) for path in _results(directory))


def _results(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.*.safetensors"), key=lambda path: (int(path.name.split(".")[1]), path.name))


def _names(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def _read_record(path: Path) -> Record:
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["record"])
    losses = {key: Losses(**record[key]) for key in ("before", "after")}
    return Record(record["name"], losses["before"], losses["after"], record["step"], record["tokens_per_s"])
