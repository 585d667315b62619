"""Records of JSON lines and parquet files, in an order that a seed decides, few in memory at a time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from blockwright.errors import UserError, first_line
from blockwright.text.sources.reading import FIELDS, Reading

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
LARGE_GZIP = 64 * 2**20  # bytes; beyond it lines are taken as they come, since nobody can jump within them

Located = tuple[object, str]  # a record and where it stands, for messages


def read(file: Path, field: str | None, reading: Reading) -> Iterator[Located]:
    if file.name.endswith(".parquet"):
        return _parquet(file, field, reading)
    return _packed_lines(file, reading) if file.name.endswith(".gz") else _lines(file, reading)


def _lines(file: Path, reading: Reading) -> Iterator[Located]:
    """Jumps to one line after another, so that only their places are in memory."""
    with file.open("rb") as data:
        for number, start in reading.shuffled(list(_places(data))):
            data.seek(start)
            yield _parsed(data.readline(), f"{file}:{number}"), f"{file}:{number}"


def _places(data: BinaryIO) -> Iterator[tuple[int, int]]:
    """Number and first byte of every line that is not blank."""
    start = 0
    for number, line in enumerate(data, 1):
        if line.strip():
            yield number, start
        start += len(line)


def _packed_lines(file: Path, reading: Reading) -> Iterator[Located]:
    with gzip.open(file, "rb") as data:
        lines = ((number, line) for number, line in enumerate(data, 1) if line.strip())
        ordered = lines if file.stat().st_size > LARGE_GZIP else iter(reading.shuffled(list(lines)))
        for number, line in ordered:
            yield _parsed(line, f"{file}:{number}"), f"{file}:{number}"


def _parsed(line: bytes, where: str) -> object:
    try:
        return json.loads(line)
    except UnicodeDecodeError:
        raise UserError(f"{where}: is not written in UTF-8") from None
    except RecursionError:
        raise UserError(f"{where}: is nested too deep") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: is no JSON ({error.msg} at column {error.colno})") from None


def _parquet(file: Path, field: str | None, reading: Reading) -> Iterator[Located]:
    """Row group by row group, and only the columns that hold text."""
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(file)
    except ArrowInvalid as error:
        raise UserError(f"{file}: is no parquet file ({first_line(error)})") from None
    names = table.schema_arrow.names
    columns = [name for name in ([field] if field else FIELDS) if name in names] or names
    for group in reading.shuffled(list(range(table.num_row_groups))):
        rows = table.read_row_group(group, columns=columns)
        for row in reading.shuffled(list(range(len(rows)))):
            yield rows.slice(row, 1).to_pylist()[0], f"{file}: row {row} of group {group}"
