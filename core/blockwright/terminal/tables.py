"""Summaries as tables on a terminal, or as JSON for a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blockwright.pictures.strip import Strip


@dataclass(frozen=True)
class Table:
    """Rows of text under a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Summary:
    """The same facts twice: `data` for scripts, with exact numbers, and tables, a strip and lines for people."""

    data: object
    tables: Sequence[Table] = ()
    lines: Sequence[str] = field(default=())
    strip: Strip | None = None


def show(summary: Summary, as_json: bool) -> None:
    """Prints a summary on standard output."""
    if as_json:
        sys.stdout.write(json.dumps(summary.data, indent=1, default=str) + "\n")
        return
    from rich.console import Console

    console = Console(highlight=False)
    for table in summary.tables:
        console.print(_drawn(table))
    if summary.strip is not None:
        from blockwright.pictures.terminal import draw_strip

        console.print(draw_strip(summary.strip, console.width), "")
    for line in summary.lines:
        console.print(line, markup=False)


def _drawn(table: Table) -> object:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(title=table.title, title_justify="left", box=SIMPLE_HEAD)
    for index, column in enumerate(table.columns):
        numbers = index > 0 and all(row[index][:1].isdigit() or row[index][:1] in "~-" for row in table.rows)
        drawn.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    return drawn


def as_count(number: float) -> str:
    """`134.5 M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number:.4g}"


def as_bytes(number: float) -> str:
    """`2.0 GiB`."""
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(number) >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number:.4g} B"


def as_duration(seconds: float) -> str:
    """`3 min`, `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"
