"""After the evaluation: the finished child, written for one serving engine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from blockwright.exporters import Exporter
from blockwright.files import write_json
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step

FOLDER = "export"


@dataclass(frozen=True)
class ExportStep(Step):
    exporter: Exporter
    last_stage: str | None

    def run(self, files: RunFiles, folder: Path) -> None:
        """Writes `export/` and then `export.json`: the command that serves it, and what its user should know."""
        from blockwright.exporting.exporting import export_child
        from blockwright.exporting.origin import origin_of_run
        from blockwright.report.reading import Record

        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        origin = origin_of_run(Record(files.directory), files.parent.directory)
        exported = export_child(self.exporter, files.child_after(self.last_stage), folder / FOLDER, origin)
        record = {"exporter": self.exporter.name, "command": exported.command, "notes": list(exported.notes)}
        write_json(folder / "export.json", record)
