"""Checkpoints by step, in torch's distributed format: saved by any number of processes, loaded by any other."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.optim import Optimizer

from blockwright.files import write_json
from blockwright.seals import seal
from blockwright.training.processes import Processes

LATEST = "latest.json"


class Checkpoints:
    """Weights and optimiser state; `latest.json` names the step, and is written when all else is there.

    Nothing else needs saving: learning rate, data position and the seed of random numbers are functions of the step.
    """

    def __init__(self, folder: Path, processes: Processes, keep: int) -> None:
        self.folder, self.processes, self.keep = folder, processes, keep

    def latest(self) -> int:
        """The last step that was saved, 0 where none was."""
        try:
            return int(json.loads((self.folder / LATEST).read_text())["step"])
        except FileNotFoundError:
            return 0

    def save(self, step: int, model: nn.Module, optimizer: Optimizer) -> None:
        """All processes call it together."""
        place = self._place(step)
        if self.processes.is_first:
            shutil.rmtree(place, ignore_errors=True)  # of a kill midway
            place.mkdir(parents=True)
        self.processes.wait_for_all()
        with _as_torch_should_say():
            save(_state(model, optimizer), checkpoint_id=place, no_dist=self.processes.mesh is None)
        if self.processes.is_first:
            seal(place)
            write_json(self.folder / LATEST, {"step": step})
            self._remove_old(step)
        self.processes.wait_for_all()

    def load(self, model: nn.Module, optimizer: Optimizer) -> int:
        """Puts the latest state into both and returns its step; 0, and nothing done, where there is none."""
        step = self.latest()
        if step:
            state = _state(model, optimizer)
            with _as_torch_should_say():
                load(state, checkpoint_id=self._place(step), no_dist=self.processes.mesh is None)
            set_optimizer_state_dict(model, optimizer, state["optimizer"])
        return step

    def _place(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _remove_old(self, step: int) -> None:
        """All but the last so many, and what stands beyond the step."""
        places = {int(place.name.partition("-")[2]): place for place in self.folder.glob("step-*")}
        kept = sorted(number for number in places if number <= step)[-self.keep :]
        for number in places.keys() - set(kept):
            shutil.rmtree(places[number])


@contextmanager
def _as_torch_should_say() -> Iterator[None]:
    """torch warns that it takes one process for all there is, even where it was told so; and what fails in a process,
    a full disk for one or an interrupt, it raises as an exception of its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        try:
            yield
        except CheckpointException as error:
            first, _ = next(iter(error.failures.values()))
            raise first from None


def _state(model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """Tensors that are the model's and the optimiser's own, so that loading into them is loading."""
    own = {name: tensor for name, tensor in model.state_dict().items() if name not in _second_names(model)}
    return {"model": own, "optimizer": get_optimizer_state_dict(model, optimizer)}


def _second_names(model: nn.Module) -> set[str]:
    """Names of parameters that have another one already, as a tied head has."""
    once = {name for name, _ in model.named_parameters()}
    return {name for name, _ in model.named_parameters(remove_duplicate=False)} - once
