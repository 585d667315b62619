"""Where weights come from: read one tensor at a time, so that no model need ever be whole in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from blockwright.errors import UserError
from blockwright.soundness import refuse_weights

if TYPE_CHECKING:
    import torch


class WeightSource(Protocol):
    """Tensors by their names in an HF checkpoint (`model.layers.3.mlp.down_proj.weight`)."""

    def read(self, name: str) -> torch.Tensor:
        """One tensor; KeyError when there is none of that name, UserError where it is not finite."""
        ...

    def names(self) -> Iterable[str]: ...


class SafetensorsSource:
    """A directory of safetensors files, one or sharded, read lazily. Pickled checkpoints are refused, never opened."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file_of = _files_by_tensor(directory)
        self._sound: set[str] = set()  # tensors that were looked at once, and are finite

    def names(self) -> Iterable[str]:
        return self._file_of.keys()

    def read(self, name: str) -> torch.Tensor:
        from safetensors import safe_open

        path = self.directory / self._file_of[name]
        with safe_open(path, framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
        if name not in self._sound:
            refuse_weights(name, tensor, path)
            self._sound.add(name)
        return tensor

    def shape(self, name: str) -> tuple[int, ...]:
        """From the file's header alone; KeyError when there is no tensor of that name."""
        from safetensors import safe_open

        with safe_open(self.directory / self._file_of[name], framework="pt") as file:
            return tuple(file.get_slice(name).get_shape())


def _files_by_tensor(directory: Path) -> Mapping[str, str]:
    index = directory / "model.safetensors.index.json"
    if index.exists():
        return dict(json.loads(index.read_text())["weight_map"])
    single = directory / "model.safetensors"
    if single.exists():
        from safetensors import safe_open

        with safe_open(single, framework="pt") as file:
            return dict.fromkeys(file.keys(), single.name)
    pickled = sorted(path.name for path in directory.glob("*.bin"))
    if pickled:
        raise UserError(
            f"{directory}: holds pickled weights ({pickled[0]}), which Blockwright never opens; "
            "convert them once with `transformers` (`model.save_pretrained(...)`) and name that folder"
        )
    raise UserError(
        f"{directory}: no model.safetensors and no model.safetensors.index.json in it; "
        "for a dry run on its config alone add parent.weights=false scorer.name=guessed"
    )
