"""`show` and where a stage's curves have come to."""

from __future__ import annotations

import json
from pathlib import Path

from blockwright.api import open_run
from blockwright.files import read_record, write_json
from blockwright.running.integrity import checksums
from blockwright.seals import DONE
from blockwright.terminal.summary import run_summary


def write_as_the_stage(folder: Path, record: object) -> None:
    """Another `stage.json`, with the checksum that the stage would have left."""
    write_json(folder / "stage.json", record)
    write_json(folder / DONE, {**read_record(folder / DONE), "files": checksums(folder)})


def test_show_has_the_last_values_of_curves(copied: Path) -> None:
    record = json.loads((copied / "06-refit" / "stage.json").read_text())
    record["curves"] = {"held-back KL (nats per token)": [[0, 0.75], [1200, 0.512345]], "loss": []}
    write_as_the_stage(copied / "06-refit", record)
    summary = run_summary(open_run(copied))
    (table,) = (table for table in summary.tables if table.title == "Training")
    assert table.rows == [("06-refit", "held-back KL (nats per token)", "0.5123", "1,200")]
    assert summary.data["curves"] == {"06-refit": {"held-back KL (nats per token)": (1200, 0.512345)}}  # type: ignore


def test_show_of_stages_without_curves_has_no_such_table(copied: Path) -> None:
    record = json.loads((copied / "06-refit" / "stage.json").read_text())
    record.pop("curves", None)  # as older runs have it
    write_as_the_stage(copied / "06-refit", record)
    assert "Training" not in [table.title for table in run_summary(open_run(copied)).tables]
