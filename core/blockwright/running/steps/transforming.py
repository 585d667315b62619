"""06-… and on: a transform, from the child as it was built to one of another shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.costs import CostModel, Scenario
from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.files import write_json
from blockwright.graph.as_dict import to_dict
from blockwright.graph.block_graph import BlockGraph
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.transforms import Transform, TransformContext, Transformed

if TYPE_CHECKING:
    from blockwright.models.stack import LayerStack


@dataclass(frozen=True)
class TransformStep(Step):
    transform: Transform
    previous: str | None
    cost_model: CostModel
    scenario: Scenario
    seed: int

    def run(self, files: RunFiles, folder: Path) -> None:
        """Writes `graph.json`, `child/` where there is a new one, and `transform.json`.

        The KL before and after is that of held-back tokens; latencies are there where the recipe names a machine.
        """
        from blockwright.child.checkpoint import open_child, write_child

        child, graph = open_child(files.child_after(self.previous)), files.graph_after(self.previous)
        context = TransformContext(child, graph, files.training_tokens, folder, self.seed, files.joined())
        result = self.transform.apply(context)
        write_json(folder / "graph.json", to_dict(result.graph))
        figures = {**result.figures, **self._latencies(graph, result.graph), **_losses(files, folder, child, result)}
        if result.child is not child:
            write_child(folder / "child", result.child, files.parent)
        left = folder / "child" if result.child is not child else files.child_after(self.previous)
        write_json(folder / "transform.json", self._record(result, figures, str(left.relative_to(files.directory))))

    def _record(self, result: Transformed, figures: Mapping[str, float], child: str) -> Mapping[str, object]:
        return {
            "transform": self.transform.name,
            "child": child,
            "figures": dict(figures),
            "joined": [list(parts) for parts in result.joined],
            "dependencies": [asdict(table) for table in result.dependencies],
            "notes": list(result.notes),
        }

    def _latencies(self, before: BlockGraph, after: BlockGraph) -> Mapping[str, float]:
        """Predicted milliseconds of the recipe's scenario; nothing where no machine is known or it does not fit."""
        if self.cost_model.hardware is None:
            return {}
        try:
            costs = {"before": self.cost_model.model(before, self.scenario)}
            costs["after"] = self.cost_model.model(after, self.scenario)
        except UserError:
            return {}
        decode = {f"decode_ms {when}": cost.decode_ms for when, cost in costs.items()}
        return decode | {f"prefill_ms {when}": cost.prefill_ms for when, cost in costs.items()}


def _losses(files: RunFiles, folder: Path, child: LayerStack, result: Transformed) -> Mapping[str, float]:
    """Nats per token on held-back text; what a killed run has measured is read again."""
    from blockwright.models.divergence import Reference

    record = folder / "losses.json"
    if not record.exists():
        judge = Reference(files.parent.stack(), files.tokens["heldback"])
        before = judge.divergence(child)
        after = before if result.child is child else judge.divergence(result.child)
        emit("child_transformed", before=before, after=after)
        write_json(record, {"before": before, "after": after})
    losses: Mapping[str, float] = json.loads(record.read_text())
    return losses
