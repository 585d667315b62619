"""05-build: the chosen variants as an ordinary checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockwright.files import write_json
from blockwright.graph.as_dict import to_dict
from blockwright.graph.building import Outline, graph_of
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step


@dataclass(frozen=True)
class BuildStep(Step):
    def run(self, files: RunFiles, folder: Path) -> None:
        """`graph.json`, then `child/`; weights are read one at a time from the library and the parent."""
        from blockwright.child.assembly import assemble
        from blockwright.child.checkpoint import write_child

        assignment = files.assignment()
        graph = graph_of(Outline.of(files.parent), assignment, files.variants)
        write_json(folder / "graph.json", to_dict(graph))
        stack = assemble(files.base, files.library, assignment, files.variants)
        write_child(folder / "child", stack, files.parent)
