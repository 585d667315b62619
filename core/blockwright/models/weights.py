"""Weights on disk, read a tensor at a time, so that no model need ever be whole in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from blockwright.errors import UserError, first_line
from blockwright.foreign_files import read_json_object
from blockwright.soundness import refuse_weights

if TYPE_CHECKING:
    import torch

    from blockwright.models.sharding import PlannedTensor

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
WEIGHT_DTYPES = ("F64", "F32", "F16", "BF16")  # that a dense model's weights are in, as safetensors calls them
_TOLD = 5


class WeightSource(Protocol):
    """Tensors by their names in an HF checkpoint (`model.layers.3.mlp.down_proj.weight`)."""

    def read(self, name: str) -> torch.Tensor:
        """One tensor; KeyError when there is none of that name, UserError where it is not finite."""
        ...

    def names(self) -> Iterable[str]: ...


@dataclass(frozen=True)
class Stored:
    """What a header says of a tensor: its precision as safetensors has it (`BF16`), and its shape."""

    dtype: str
    shape: tuple[int, ...]


class SafetensorsSource:
    """A directory of safetensors files, one or sharded, read lazily. Pickled checkpoints are refused, never opened."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file_of = _files_by_tensor(directory)
        self._sound: set[str] = set()  # tensors that were looked at once, and are finite

    def names(self) -> Iterable[str]:
        return self._file_of.keys()

    def read(self, name: str) -> torch.Tensor:
        path = self.directory / self._file_of[name]
        with opened(path) as file:
            tensor: torch.Tensor = file.get_tensor(name)
        if name not in self._sound:
            refuse_weights(name, tensor, path)
            self._sound.add(name)
        return tensor

    def shape(self, name: str) -> tuple[int, ...]:
        """From the file's header alone; KeyError when there is no tensor of that name."""
        with opened(self.directory / self._file_of[name]) as file:
            return tuple(file.get_slice(name).get_shape())

    def stored(self) -> Mapping[str, Stored]:
        """What the headers say of all tensors, each file opened once."""
        names = defaultdict[str, list[str]](list)
        for name, file in self._file_of.items():
            names[file].append(name)
        return {name: one for file, within in names.items() for name, one in _stored(self.directory / file, within)}


@contextmanager
def opened(path: Path, framework: str = "pt") -> Iterator[Any]:
    """A safetensors file, whose header is checked before a tensor is read; UserError for one that is none, or lies."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except SafetensorError as error:
        raise UserError(f"{path}: is no whole safetensors file ({first_line(error)})") from None


def refuse_other_tensors(folder: Path, found: Mapping[str, Stored], planned: Sequence[PlannedTensor]) -> None:
    """UserError for tensors that are missing, of another shape than the config asks for, or no numbers of a model."""
    lines = other_tensors(found, planned)
    if lines:
        raise UserError(*(f"{folder}: {line}" for line in lines))


def other_tensors(found: Mapping[str, Stored], planned: Sequence[PlannedTensor]) -> list[str]:
    """The same as lines, of which the first few are told."""
    lines = [line for tensor in planned for line in _unlike(tensor, found.get(tensor.name))]
    more = [f"and {len(lines) - _TOLD} more tensors like these"] if len(lines) > _TOLD else []
    return [*lines[:_TOLD], *more]


def _unlike(tensor: PlannedTensor, found: Stored | None) -> Iterator[str]:
    if found is None:
        yield f"has no weight {tensor.name}, which its config asks for"
    elif found.shape != tensor.shape:
        yield f"{tensor.name} is {list(found.shape)}, not {list(tensor.shape)}, as its config asks for"
    elif found.dtype not in WEIGHT_DTYPES:
        yield f"{tensor.name} is stored as {found.dtype}; weights are {', '.join(WEIGHT_DTYPES)}"


def _stored(path: Path, names: Iterable[str]) -> Iterator[tuple[str, Stored]]:
    with opened(path) as file:
        there = set(file.keys())
        for name in names:
            if name not in there:
                raise UserError(f"{path}: has no tensor {name}, which {INDEX} looks for there")
            piece = file.get_slice(name)
            yield name, Stored(str(piece.get_dtype()), tuple(piece.get_shape()))


def _files_by_tensor(directory: Path) -> Mapping[str, str]:
    index = directory / INDEX
    if index.exists():
        return _indexed(index)
    single = directory / SINGLE
    if single.exists():
        with opened(single) as file:
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


def _indexed(index: Path) -> Mapping[str, str]:
    """Shards stand in the folder of their index or below it; UserError for an index that leads elsewhere."""
    files = read_json_object(index).get("weight_map")
    if not isinstance(files, dict):
        raise UserError(f"{index}: weight_map: expected files by tensor")
    for name, file in files.items():
        if not isinstance(file, str) or not file.endswith(".safetensors") or _leads_out(Path(file)):
            raise UserError(f"{index}: weight_map: {name}: expected a safetensors file in its folder, got {file!r}")
    return files


def _leads_out(file: Path) -> bool:
    return file.is_absolute() or ".." in file.parts
