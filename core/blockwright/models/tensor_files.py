"""Tensors on their way from one process to another, by file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from blockwright.files import write_atomically


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """By atomic rename; tensors may be views, and share memory."""
    with write_atomically(path) as beside:
        save_file({name: _of_its_own(tensor) for name, tensor in tensors.items()}, beside)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """As copies, which lie in memory as tensors that were computed do: sums then have the same last digits."""
    return {name: torch.clone(tensor) for name, tensor in load_file(path).items()}


def _of_its_own(tensor: Tensor) -> Tensor:
    """safetensors stores no views of a larger tensor, nor two of one."""
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole and tensor.is_contiguous() else tensor.clone(memory_format=torch.contiguous_format)
