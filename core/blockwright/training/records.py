"""Tables that grow by a row a step, and that a run which goes on after a kill cuts back to its checkpoint."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from blockwright.files import write_atomically
from blockwright.seals import seal

LOSSES = (
    "step", "tokens", "loss", "divergence", "hidden", "language_model", "learning_rate", "grad_norm", "tokens_per_s",
)  # fmt: skip
EVALUATIONS = ("step", "kl", "top1")
Row = Mapping[str, float]


class Record:
    """A CSV file whose first column is the step; numbers are written in full, so that they read back as they were."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, columns

    def rows(self) -> list[Row]:
        """Whole rows; a kill can cut the last one."""
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            lines = [line for line in csv.reader(file) if len(line) == len(self.columns)]
        return [dict(zip(self.columns, map(float, line), strict=True)) for line in lines[1:]]

    def cut_back(self, step: int) -> None:
        """Leaves the rows up to that step, and no file where there are none."""
        kept = [row for row in self.rows() if row["step"] <= step]
        self.path.unlink(missing_ok=True)
        if kept:
            with write_atomically(self.path, grows=True) as beside:
                beside.write_text("".join(map(self._line, [self.columns, *map(self._values, kept)])))

    def seal(self) -> None:
        """The rows so far, which a run that goes on from here keeps."""
        if self.path.exists():
            seal(self.path, grows=True)

    def add(self, row: Row) -> None:
        is_new = not self.path.exists()
        with self.path.open("a") as file:
            file.write((self._line(self.columns) if is_new else "") + self._line(self._values(row)))

    def _values(self, row: Row) -> list[str]:
        return [str(int(row[name])) if name in ("step", "tokens") else repr(float(row[name])) for name in self.columns]

    def _line(self, values: Sequence[str]) -> str:
        return ",".join(values) + "\n"
