"""The best child of a training so far, as a checkpoint that loads anywhere."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.child.checkpoint import CheckpointSettings, planned_tensors, write_child
from blockwright.files import write_json
from blockwright.models.stack import LayerStack
from blockwright.training.judging import Judgement
from blockwright.training.models import ModelSource, config_of
from blockwright.training.processes import Processes

if TYPE_CHECKING:
    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
    from blockwright.parent import Parent

BEST = "best.json"


class BestChild:
    """`best.json` names the folder, and is written when that is whole; a better child takes its place."""

    def __init__(self, folder: Path, parent: Parent, processes: Processes, settings: CheckpointSettings) -> None:
        self.folder, self.parent, self.processes, self.settings = folder, parent, processes, settings

    def record(self) -> dict[str, float]:
        """Its step, KL and agreement; empty while no child was better than the given one."""
        try:
            found: dict[str, float] = json.loads((self.folder / BEST).read_text())
        except FileNotFoundError:
            return {}
        return found

    def child(self) -> Path | None:
        record = self.record()
        return self._place(int(record["step"])) if record else None

    def offer(self, step: int, judgement: Judgement, before: Judgement, model: BlockwrightForCausalLM) -> None:
        """Keeps the child where it is better than all before it; all processes call it together."""
        record = self.record()
        lowest = record.get("kl", before.kl)
        self.processes.wait_for_all()  # until all have read the record
        if judgement.kl < lowest and step > record.get("step", 0):
            self._write(step, model)
            if self.processes.is_first:
                write_json(self.folder / BEST, {"step": step, **asdict(judgement)})
                self._remove_all_but(step)
        self.processes.wait_for_all()

    def _write(self, step: int, model: BlockwrightForCausalLM) -> None:
        """The first process writes; the others help to put each tensor together, in the order it asks for them."""
        config = config_of(model)
        stack = LayerStack(config, ModelSource(model))
        if not self.processes.is_first:
            for tensor in planned_tensors(config):
                stack.read(tensor.name)
            return
        shutil.rmtree(self._place(step), ignore_errors=True)  # of a kill before the record was written
        write_child(self._place(step), stack, self.parent, self.settings)

    def _place(self, step: int) -> Path:
        return self.folder / f"child-{step:08d}"

    def _remove_all_but(self, step: int) -> None:
        for place in self.folder.glob("child-*"):
            if place != self._place(step):
                shutil.rmtree(place)
