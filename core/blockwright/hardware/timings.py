"""Times of whole parts of models, as they were recorded on a machine: one variant of one shape in one step."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from blockwright.errors import UserError, first_line
from blockwright.files import write_atomically
from blockwright.foreign_files import read_bytes

FILE = "parts.csv"
LARGEST_FILE = 16 * 2**20  # bytes


@dataclass(frozen=True, order=True)
class Timed:
    """What was timed: a part by its name, new tokens of so many sequences, and the tokens that each attends to."""

    part: str
    precision: str
    phase: str
    sequences: int
    tokens: int
    kv_tokens: int


Timings = Mapping[Timed, float]  # milliseconds
_COLUMNS = [field.name for field in fields(Timed)]


def read_timings(folder: Path) -> Timings:
    """Of a profile's folder; none where it has none. UserError names the row that is wrong."""
    file = folder / FILE
    if not file.is_file():
        return {}
    try:
        rows = list(csv.DictReader(io.StringIO(read_bytes(file, LARGEST_FILE).decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: is no CSV table ({first_line(error)})") from None
    return dict(_timing(file, number, row) for number, row in enumerate(rows, 1))


def write_timings(timings: Timings, folder: Path) -> None:
    """In the order of their keys, so that equal timings give equal bytes; no file for none."""
    if not timings:
        return
    text = io.StringIO()
    written = csv.writer(text, lineterminator="\n")
    written.writerow([*_COLUMNS, "latency_ms"])
    for timed, ms in sorted(timings.items()):
        written.writerow([*(getattr(timed, name) for name in _COLUMNS), f"{ms:.6g}"])
    with write_atomically(folder / FILE) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")


def _timing(file: Path, number: int, row: Mapping[str, str]) -> tuple[Timed, float]:
    try:
        sequences, tokens, kv_tokens = (int(row[name]) for name in ("sequences", "tokens", "kv_tokens"))
        timed = Timed(row["part"], row["precision"], row["phase"], sequences, tokens, kv_tokens)
        ms = float(row["latency_ms"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file}: row {number}: expected {', '.join(_COLUMNS)} and latency_ms") from None
    if not 0 <= ms < float("inf"):
        raise UserError(
            f"{file}: row {number}: latency_ms: expected a number of milliseconds, got '{row['latency_ms']}'"
        )
    return timed, ms
