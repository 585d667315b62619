"""Safetensors files written by hand, read by the library that defines the format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from blockwright.models.sharding import PlannedTensor, write_sharded
from blockwright.models.weights import SafetensorsSource

TENSORS = {
    "first": torch.arange(12.0).view(3, 4),
    "turned": torch.arange(10.0).view(2, 5).T,
    "scalar": torch.tensor(3.5),
    "empty": torch.zeros(0, 4),
    "last": torch.randn(7, generator=torch.Generator().manual_seed(0)),
}
PLAN = [PlannedTensor(name, tuple(tensor.shape)) for name, tensor in TENSORS.items()]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_safetensors_reads_what_was_written(tmp_path: Path, dtype: str) -> None:
    write_sharded(tmp_path, PLAN, TENSORS.__getitem__, dtype, 10**6)  # type: ignore[arg-type]
    read = load_file(tmp_path / "model.safetensors")
    assert set(read) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert torch.equal(read[name], tensor.to(getattr(torch, dtype)))
    assert not (tmp_path / "model.safetensors.index.json").exists()


def test_shards_keep_to_their_limit_and_the_index_finds_all(tmp_path: Path) -> None:
    write_sharded(tmp_path, PLAN, TENSORS.__getitem__, "float32", 60)
    shards = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert shards == [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    for shard in shards:
        assert sum(tensor.nbytes for tensor in load_file(tmp_path / shard).values()) <= 60
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in TENSORS.values())
    source = SafetensorsSource(tmp_path)
    assert all(torch.equal(source.read(name), tensor) for name, tensor in TENSORS.items())


def test_a_tensor_larger_than_the_limit_has_its_own_shard(tmp_path: Path) -> None:
    write_sharded(tmp_path, PLAN, TENSORS.__getitem__, "float32", 1)
    assert SafetensorsSource(tmp_path).read("first").shape == (3, 4)


def test_a_tensor_of_another_shape_than_planned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"first: has shape \(3, 4\), the child's config asks for \(4, 4\)"):
        write_sharded(tmp_path, [PlannedTensor("first", (4, 4))], TENSORS.__getitem__, "float32", 100)
