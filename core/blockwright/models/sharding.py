"""Writes safetensors files one tensor at a time, split into shards of limited size, with the same bytes every time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from torch import Tensor

DType = Literal["float32", "bfloat16", "float16"]
_CODES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class PlannedTensor:
    """A tensor that will be written: its name and shape are known before its values are read."""

    name: str
    shape: tuple[int, ...]

    def size_bytes(self, dtype: DType) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count * _BYTES[dtype]


def write_sharded(
    directory: Path, plan: Sequence[PlannedTensor], read: Callable[[str], Tensor], dtype: DType, shard_bytes: int
) -> None:
    """`model.safetensors`, or numbered shards and an index where it exceeds `shard_bytes`; one tensor in memory."""
    shards = _split(plan, dtype, shard_bytes)
    write_files(directory, dict(zip(_shard_names(len(shards)), shards, strict=True)), read, dtype)


def write_files(
    directory: Path, files: Mapping[str, Sequence[PlannedTensor]], read: Callable[[str], Tensor], dtype: DType
) -> None:
    """Each file (`FOLDER/NAME.safetensors`) with its tensors, and an index where there are several."""
    for name, tensors in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        _write_shard(directory / name, tensors, read, dtype)
    if len(files) > 1:
        index = {
            "metadata": {"total_size": sum(one.size_bytes(dtype) for tensors in files.values() for one in tensors)},
            "weight_map": {tensor.name: name for name, tensors in files.items() for tensor in tensors},
        }
        (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _split(plan: Sequence[PlannedTensor], dtype: DType, shard_bytes: int) -> list[list[PlannedTensor]]:
    """Fills shards in the order given; a tensor larger than the limit has a shard of its own."""
    shards: list[list[PlannedTensor]] = [[]]
    filled = 0
    for tensor in plan:
        size = tensor.size_bytes(dtype)
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(tensor)
        filled += size
    return shards


def _shard_names(count: int) -> list[str]:
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]


def _write_shard(path: Path, shard: Sequence[PlannedTensor], read: Callable[[str], Tensor], dtype: DType) -> None:
    with path.open("wb") as file:
        file.write(_header(shard, dtype))
        for tensor in shard:
            _append(file, tensor, read(tensor.name), dtype)
        file.flush()
        os.fsync(file.fileno())


def _header(shard: Sequence[PlannedTensor], dtype: DType) -> bytes:
    """The format's header: its length in 8 bytes, then JSON padded with spaces to a multiple of 8."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for tensor in shard:
        end = start + tensor.size_bytes(dtype)
        entries[tensor.name] = {"dtype": _CODES[dtype], "shape": tensor.shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _append(file: BinaryIO, planned: PlannedTensor, tensor: Tensor, dtype: DType) -> None:
    import torch

    if tuple(tensor.shape) != planned.shape:
        raise ValueError(
            f"{planned.name}: has shape {tuple(tensor.shape)}, the child's config asks for {planned.shape}"
        )
    values = tensor.detach().to("cpu", getattr(torch, dtype)).contiguous().reshape(-1)
    file.write(values.view(torch.uint8).numpy().tobytes())
