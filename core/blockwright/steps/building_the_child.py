"""05-build: the chosen variants as an ordinary checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockwright.run_files import RunFiles
from blockwright.steps.step import Step


@dataclass(frozen=True)
class BuildStep(Step):
    def run(self, files: RunFiles, folder: Path) -> None:
        """Reads weights one at a time from the library and the parent."""
        from blockwright.assembly import assemble
        from blockwright.checkpoint import write_child

        stack = assemble(files.parent, files.library, files.assignment(), files.variants)
        write_child(folder / "child", stack, files.parent)
