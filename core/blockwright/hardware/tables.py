"""Measured times of operations, as columns: read from parquet or CSV, checked, looked up by kind and variety."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from blockwright.errors import UserError, did_you_mean, first_line
from blockwright.files import write_atomically
from blockwright.hardware.operations import KINDS, Operation
from blockwright.precision import Precision

if TYPE_CHECKING:
    import pyarrow

UNITS: Mapping[str, float] = {"latency_ms": 1.0, "latency_us": 1e-3, "latency_s": 1e3}  # to milliseconds
LARGEST_FILE = 64 * 2**20  # bytes
MOST_ROWS, LONGEST_WORD = 2_000_000, 64
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Column = np.ndarray[tuple[int, ...], np.dtype[Any]]
Variety = tuple[object, ...]  # the values of an operation's `varies_by`


@dataclass(frozen=True)
class Table:
    """Times of one variety of one kind of operation: sizes of shape (rows, sizes), milliseconds of shape (rows,)."""

    kind: str
    variety: Variety
    sizes: Floats = field(repr=False)
    latency_ms: Floats = field(repr=False)

    def operation(self, row: int) -> Operation:
        """What was measured in a row."""
        operation = KINDS[self.kind]
        sizes = dict(zip(operation.sized_by, map(int, self.sizes[row]), strict=True))
        return operation(**dict(zip(operation.varies_by, self.variety, strict=True)), **sizes)  # type: ignore[arg-type]

    def beyond(self, sizes: Sequence[float]) -> tuple[str, ...]:
        """The sizes that lie outside of what was measured, worded: `n = 128256 (measured 32 to 65536)`."""
        low, high = self.sizes.min(axis=0), self.sizes.max(axis=0)
        names = KINDS[self.kind].sized_by
        return tuple(
            f"{name} = {size:g} (measured {least:g} to {most:g})"
            for name, size, least, most in zip(names, sizes, low, high, strict=True)
            if not least <= size <= most
        )

    def rows(self, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Table:
        """A table of some of the rows."""
        return Table(self.kind, self.variety, self.sizes[chosen], self.latency_ms[chosen])

    @cached_property
    def measured(self) -> Mapping[tuple[int, ...], float]:
        """Milliseconds by sizes."""
        return dict(zip(map(tuple, self.sizes.astype(int).tolist()), self.latency_ms.tolist(), strict=True))


@dataclass(frozen=True)
class Tables:
    """All tables of a profile."""

    all: tuple[Table, ...] = ()

    def of(self, operation: Operation) -> Table | None:
        """The one of the operation's kind and variety; fp16 is looked up as bf16, which the same kernels multiply."""
        variety = tuple("bf16" if value == "fp16" else value for value in operation.variety)
        return self._by_variety.get((operation.kind, operation.variety)) or self._by_variety.get(
            (operation.kind, variety)
        )

    def with_tables(self, tables: Sequence[Table]) -> Tables:
        """These in place of those of the same kind and variety, and beside the others; in the order of files."""
        every = {(table.kind, table.variety): table for table in (*self.all, *tables)}
        return Tables(tuple(sorted(every.values(), key=_place)))

    @cached_property
    def _by_variety(self) -> Mapping[tuple[str, Variety], Table]:
        return {(table.kind, table.variety): table for table in self.all}


def read_tables(folder: Path) -> Tables:
    """All `KIND.parquet` and `KIND.csv` of a folder."""
    files = sorted([*folder.glob("*.parquet"), *folder.glob("*.csv")])
    return Tables().with_tables([table for file in files if file.stem in KINDS for table in read_table(file)])


def read_table(file: Path) -> tuple[Table, ...]:
    """The varieties in a file, apart; UserError for missing columns, unknown units and impossible values."""
    columns = _columns(file)
    kind = _kind(file, columns)
    operation = KINDS[kind]
    wanted = (*operation.varies_by, *operation.sized_by)
    missing = [name for name in wanted if name not in columns]
    unit = next((name for name in UNITS if name in columns), None)
    if missing or unit is None:
        raise UserError(*_missing_columns(file, kind, missing, unit))
    latency = _numbers(file, unit, columns[unit]) * UNITS[unit]
    sizes = np.stack([_whole_numbers(file, name, columns[name]) for name in operation.sized_by], axis=1)
    varieties = np.stack([_codes(file, name, columns[name]) for name in operation.varies_by], axis=1)
    return tuple(
        Table(kind, _decoded(operation.varies_by, code), sizes[rows], latency[rows])
        for code in np.unique(varieties, axis=0)
        for rows in [(varieties == code).all(axis=1)]
    )


def write_tables(tables: Tables, folder: Path, source: str = "") -> None:
    """One `KIND.parquet` a kind, of the very numbers; `source` goes into each file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    for kind in dict.fromkeys(table.kind for table in tables.all):
        with write_atomically(folder / f"{kind}.parquet") as beside:
            every = [_as_arrow(table) for table in tables.all if table.kind == kind]
            written = pa.concat_tables(every, promote_options="permissive")
            written = written.replace_schema_metadata({"source": source, "operation": kind})
            parquet.write_table(written, beside, compression="zstd", compression_level=19)


def _as_arrow(table: Table) -> pyarrow.Table:
    import pyarrow as pa

    operation, rows = KINDS[table.kind], len(table.latency_ms)
    columns = {name: pa.array([value] * rows) for name, value in zip(operation.varies_by, table.variety, strict=True)}
    sizes = {name: pa.array(table.sizes[:, at].astype(np.int64)) for at, name in enumerate(operation.sized_by)}
    short = table.latency_ms.astype(np.float32)
    latency = short if (short == table.latency_ms).all() else table.latency_ms
    return pa.table({**columns, **sizes, "latency_ms": pa.array(latency)})


def _columns(file: Path) -> Mapping[str, Column]:
    import pyarrow as pa
    import pyarrow.csv as csv

    if not file.is_file():
        raise UserError(f"{file}: there is no such table")
    if file.stat().st_size > LARGEST_FILE:
        raise UserError(f"{file}: has {file.stat().st_size:,} bytes; tables of at most {LARGEST_FILE:,} are read")
    try:
        table = _parquet(file) if file.suffix == ".parquet" else csv.read_csv(file)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise UserError(f"{file}: is no {file.suffix.lstrip('.') or 'CSV'} table ({first_line(error)})") from None
    if table.num_rows == 0:
        raise UserError(f"{file}: has no rows")
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}


def _parquet(file: Path) -> pyarrow.Table:
    """The columns that some operation has, once the footer says how much they hold: a small file can hold much."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    facts, schema = parquet.read_metadata(file), parquet.read_schema(file)
    if facts.num_rows > MOST_ROWS:
        raise UserError(f"{file}: has {facts.num_rows:,} rows; tables of at most {MOST_ROWS:,} are read")
    known = {"operation", *UNITS, *(name for kind in KINDS.values() for name in (*kind.varies_by, *kind.sized_by))}
    names = list(dict.fromkeys(name for name in schema.names if name in known))
    words = [name for name in names if pa.types.is_string(schema.field(name).type)]
    table = parquet.read_table(file, columns=names, read_dictionary=words)  # a word of many rows is read once
    for name in words:
        for chunk in table.column(name).chunks:
            if any(len(str(word)) > LONGEST_WORD for word in chunk.dictionary):
                raise UserError(f"{file}: {name}: has words of more than {LONGEST_WORD} characters")
    return table


def _kind(file: Path, columns: Mapping[str, Column]) -> str:
    named = set(map(str, columns["operation"])) if "operation" in columns else set()
    if len(named) > 1:
        raise UserError(f"{file}: holds several operations ({', '.join(sorted(named))}); write one file for each")
    kind = named.pop() if named else next((kind for kind in KINDS if file.stem.startswith(kind)), file.stem)
    if kind not in KINDS:
        hint = "add a column `operation`, or begin the file's name with it"
        raise UserError(f"{file}: no operation is called '{kind}'{did_you_mean(kind, KINDS)}; {hint}")
    return kind


def _missing_columns(file: Path, kind: str, missing: Sequence[str], unit: str | None) -> list[str]:
    wanted = ", ".join((*KINDS[kind].varies_by, *KINDS[kind].sized_by))
    lines = [f"{file}: a table of {kind} has the columns {wanted} and latency_ms; without {', '.join(missing)}"]
    no_unit = [f"{file}: the times need a unit; call their column latency_ms, latency_us or latency_s"]
    return (lines if missing else []) + (no_unit if unit is None else [])


def _numbers(file: Path, name: str, values: Column) -> Floats:
    """Positive and finite, all of them."""
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
        bad = np.flatnonzero(~((numbers > 0) & (numbers < np.inf)))
    else:
        numbers, bad = np.empty(0), np.flatnonzero([not isinstance(value, int | float) for value in values])
    if len(bad):
        raise UserError(f"{file}: row {bad[0] + 1}: {name}: expected a number above 0, got '{values[bad[0]]}'")
    return numbers


def _whole_numbers(file: Path, name: str, values: Column) -> Floats:
    numbers = _numbers(file, name, values)
    bad = np.flatnonzero(numbers != np.floor(numbers))
    if len(bad):
        raise UserError(f"{file}: row {bad[0] + 1}: {name}: expected a whole number, got '{values[bad[0]]}'")
    return numbers


def _codes(file: Path, name: str, values: Column) -> Floats:
    """A variety's values as numbers: precisions by their place among all precisions, others as they are."""
    if name != "precision":
        return _whole_numbers(file, name, values)
    codes = np.full(len(values), -1.0)
    for place, precision in enumerate(get_args(Precision)):
        codes[values.astype(str) == precision] = place
    bad = np.flatnonzero(codes < 0)
    if len(bad):
        wrong = str(values[bad[0]])
        known = did_you_mean(wrong, get_args(Precision))
        raise UserError(f"{file}: row {bad[0] + 1}: no precision is called '{wrong}'{known}")
    return codes


def _decoded(names: Sequence[str], codes: Floats) -> Variety:
    return tuple(
        get_args(Precision)[int(code)] if name == "precision" else int(code)
        for name, code in zip(names, codes, strict=True)
    )


def _place(table: Table) -> tuple[object, ...]:
    precisions = get_args(Precision)
    return (table.kind, *(precisions.index(one) if one in precisions else one for one in table.variety))
