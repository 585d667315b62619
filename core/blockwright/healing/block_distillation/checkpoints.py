"""Where a killed training goes on: weights, best weights, optimiser and step, in one file that is whole or absent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from blockwright.files import write_atomically

if TYPE_CHECKING:
    from blockwright.healing.block_distillation.training import Pupil


def write_checkpoint(path: Path, pupils: Mapping[str, Pupil], step: int, training: str) -> None:
    """One safetensors file; its metadata holds the JSON. Batches are drawn by step, so no generator has a state.

    `training` says what the pupils are trained on and how; only the same training goes on from the file.
    """
    from safetensors.torch import save_file

    tensors = dict(pair for number, pupil in enumerate(pupils.values()) for pair in _tensors(number, pupil))
    record = {"training": training, "step": step, "pupils": {label: _record(pupil) for label, pupil in pupils.items()}}
    with write_atomically(path) as beside:
        save_file(tensors, beside, metadata={"checkpoint": json.dumps(record)})


def read_checkpoint(path: Path, pupils: Mapping[str, Pupil], training: str) -> int:
    """Brings the pupils to where they were and returns the steps done; 0 without a checkpoint of this training."""
    from safetensors import safe_open

    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["checkpoint"])
        if record["training"] != training:
            return 0
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
    for number, (label, pupil) in enumerate(pupils.items()):
        _restore(number, pupil, record["pupils"][label], tensors)
    return int(record["step"])


def _tensors(number: int, pupil: Pupil) -> Iterator[tuple[str, Tensor]]:
    for name, weight in pupil.weights.items():
        yield f"{number}/now/{name}", weight.detach().contiguous()
        for key, value in pupil.optimiser.state[weight].items():
            yield f"{number}/adam/{name}/{key}", value.contiguous()
    for name, best in pupil.best.items():
        yield f"{number}/best/{name}", best.contiguous()


def _record(pupil: Pupil) -> dict[str, object]:
    return {
        "before": asdict(pupil.before),
        "after": asdict(pupil.after),
        "best_step": pupil.best_step,
        "without_gain": pupil.without_gain,
    }


def _restore(number: int, pupil: Pupil, record: Mapping[str, object], tensors: Mapping[str, Tensor]) -> None:
    from blockwright.healing.block_distillation.training import Losses

    before, after = record["before"], record["after"]
    assert isinstance(before, dict) and isinstance(after, dict)
    pupil.before, pupil.after = Losses(**before), Losses(**after)
    pupil.best_step, pupil.without_gain = int(str(record["best_step"])), int(str(record["without_gain"]))
    pupil.best = _below(f"{number}/best/", tensors)
    for name, weight in pupil.weights.items():
        weight.data.copy_(tensors[f"{number}/now/{name}"])
        state = _below(f"{number}/adam/{name}/", tensors)
        pupil.optimiser.state[weight].update({key: value.to(weight.device) for key, value in state.items()})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
