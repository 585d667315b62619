"""Measured tables are read with their units, and every wrong one is told in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
import pytest

from blockwright.errors import UserError
from blockwright.hardware.operations import ContextAttention, Gemm
from blockwright.hardware.tables import Table, Tables, read_table, read_tables, write_tables

COLUMNS: dict[str, list[object]] = {
    "precision": ["bf16", "bf16", "fp8"],
    "m": [1, 2, 1],
    "n": [64, 64, 128],
    "k": [32, 32, 32],
    "latency_ms": [0.5, 0.75, 0.25],
}


def written(folder: Path, columns: dict[str, list[object]], name: str = "gemm.csv") -> Path:
    table = pa.table(columns)
    file = folder / name
    parquet.write_table(table, file) if file.suffix == ".parquet" else csv.write_csv(table, file)
    return file


def told(file: Path) -> list[str]:
    """The lines of the mistake, without the folder."""
    with pytest.raises(UserError) as caught:
        read_table(file)
    return [line.replace(f"{file.parent}/", "") for line in caught.value.lines]


@pytest.mark.parametrize("name", ["gemm.csv", "gemm.parquet", "gemm-of-my-own.csv"])
def test_varieties_of_a_file_come_apart(tmp_path: Path, name: str) -> None:
    bf16, fp8 = read_table(written(tmp_path, COLUMNS, name))
    assert (bf16.kind, bf16.variety, fp8.variety) == ("gemm", ("bf16",), ("fp8",))
    assert bf16.measured == {(1, 64, 32): 0.5, (2, 64, 32): 0.75}
    assert fp8.measured == {(1, 128, 32): 0.25}
    assert fp8.operation(0) == Gemm("fp8", m=1, n=128, k=32)


@pytest.mark.parametrize(("unit", "milliseconds"), [("latency_us", 0.0005), ("latency_ms", 0.5), ("latency_s", 500.0)])
def test_times_come_in_milliseconds_whatever_their_unit(tmp_path: Path, unit: str, milliseconds: float) -> None:
    columns = {unit if name == "latency_ms" else name: values for name, values in COLUMNS.items()}
    assert read_table(written(tmp_path, columns))[0].measured[(1, 64, 32)] == pytest.approx(milliseconds)


def test_head_dimensions_are_varieties_too(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "precision": ["bf16", "bf16"], "head_dim": [128, 64], "batch": [1, 1], "tokens": [16, 16],
        "heads": [8, 8], "kv_heads": [2, 2], "latency_ms": [2.0, 1.0],
    }  # fmt: skip
    tables = Tables(read_table(written(tmp_path, columns, "context_attention.csv")))
    for head_dim, ms in ((64, 1.0), (128, 2.0)):
        table = tables.of(ContextAttention("bf16", batch=1, heads=8, kv_heads=2, head_dim=head_dim, tokens=16))
        assert table is not None
        assert table.latency_ms.tolist() == [ms]
    assert tables.of(ContextAttention("bf16", batch=1, heads=8, kv_heads=2, head_dim=32, tokens=16)) is None


def test_a_column_names_the_operation_where_the_files_name_does_not(tmp_path: Path) -> None:
    columns = {"operation": ["gemm"] * 3, **COLUMNS}
    assert read_table(written(tmp_path, columns, "measured.csv"))[0].kind == "gemm"


def without(*names: str) -> dict[str, list[object]]:
    return {name: values for name, values in COLUMNS.items() if name not in names}


WRONG: dict[str, tuple[dict[str, list[object]], list[str]]] = {
    "missing columns": (
        without("n", "precision"),
        ["gemm.csv: a table of gemm has the columns precision, m, n, k and latency_ms; without precision, n"],
    ),
    "no unit": (
        {**without("latency_ms"), "latency": [1, 2, 3]},
        ["gemm.csv: the times need a unit; call their column latency_ms, latency_us or latency_s"],
    ),
    "missing columns and no unit": (
        without("k", "latency_ms"),
        [
            "gemm.csv: a table of gemm has the columns precision, m, n, k and latency_ms; without k",
            "gemm.csv: the times need a unit; call their column latency_ms, latency_us or latency_s",
        ],
    ),
    "no rows": ({name: [] for name in COLUMNS}, ["gemm.csv: has no rows"]),
    "a negative time": (
        {**COLUMNS, "latency_ms": [0.5, -0.75, 0.25]},
        ["gemm.csv: row 2: latency_ms: expected a number above 0, got '-0.75'"],
    ),
    "a time of nothing": (
        {**COLUMNS, "latency_ms": [0.0, 1, 1]},
        ["gemm.csv: row 1: latency_ms: expected a number above 0, got '0'"],
    ),
    "an endless time": (
        {**COLUMNS, "latency_ms": [1.0, 1.0, float("inf")]},
        ["gemm.csv: row 3: latency_ms: expected a number above 0, got 'inf'"],
    ),
    "a time left out": (
        {**COLUMNS, "latency_ms": [0.5, None, 0.25]},
        ["gemm.csv: row 2: latency_ms: expected a number above 0, got 'nan'"],
    ),
    "a time in words": (
        {**COLUMNS, "latency_ms": ["0.5", "fast", "0.25"]},
        ["gemm.csv: row 1: latency_ms: expected a number above 0, got '0.5'"],
    ),
    "a size of nothing": ({**COLUMNS, "m": [1, 0, 1]}, ["gemm.csv: row 2: m: expected a number above 0, got '0'"]),
    "a size in words": (
        {**COLUMNS, "m": ["one", "two", "three"]},
        ["gemm.csv: row 1: m: expected a number above 0, got 'one'"],
    ),
    "a size that is a truth": (
        {**COLUMNS, "m": [True, True, True]},
        ["gemm.csv: row 1: m: expected a number above 0, got 'True'"],
    ),
    "a fractional size": (
        {**COLUMNS, "k": [32, 32.5, 32]},
        ["gemm.csv: row 2: k: expected a whole number, got '32.5'"],
    ),
    "an unknown precision": (
        {**COLUMNS, "precision": ["bf16", "bf16", "bf61"]},
        ["gemm.csv: row 3: no precision is called 'bf61', did you mean 'bf16'?"],
    ),
    "a precision that is a number": (
        {**COLUMNS, "precision": [16, 16, 16]},
        ["gemm.csv: row 1: no precision is called '16'"],
    ),
    "an unknown operation": (
        {**COLUMNS, "operation": ["gem"] * 3},
        ["gemm.csv: no operation is called 'gem', did you mean 'gemm'?; add a column `operation`"],
    ),
    "several operations": (
        {**COLUMNS, "operation": ["gemm", "gemm", "all_reduce"]},
        ["gemm.csv: holds several operations (all_reduce, gemm); write one file for each"],
    ),
}


@pytest.mark.parametrize("case", [*WRONG])
def test_a_wrong_table_is_told_in_one_line_of_what_and_where(tmp_path: Path, case: str) -> None:
    columns, expected = WRONG[case]
    lines = told(written(tmp_path, columns))
    assert len(lines) == len(expected)
    for line, wanted in zip(lines, expected, strict=True):
        assert line.startswith(wanted)


def test_the_same_mistakes_are_found_in_parquet(tmp_path: Path) -> None:
    columns = {**COLUMNS, "latency_ms": [0.5, 1.0, None]}
    [line] = told(written(tmp_path, columns, "gemm.parquet"))
    assert line == "gemm.parquet: row 3: latency_ms: expected a number above 0, got 'nan'"


def test_a_file_of_no_operations_name_is_told(tmp_path: Path) -> None:
    [line] = told(written(tmp_path, COLUMNS, "jemm.csv"))
    assert line.startswith("jemm.csv: no operation is called 'jemm', did you mean 'gemm'?; add a column `operation`")


@pytest.mark.parametrize("name", ["gemm.csv", "gemm.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02 no table", b"m,n\n1,2,3\n"])
def test_a_file_that_is_no_table_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    [line] = told(tmp_path / name)
    assert line.startswith(f"{name}: ")


def test_a_file_that_is_not_there_or_far_too_large_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "gemm.csv") == ["gemm.csv: there is no such table"]
    with (tmp_path / "gemm.csv").open("wb") as file:
        file.truncate(65 * 2**20)
    [line] = told(tmp_path / "gemm.csv")
    assert line == "gemm.csv: has 68,157,440 bytes; tables of at most 67,108,864 are read"


def test_written_tables_are_read_again_the_same(tmp_path: Path) -> None:
    tables = Tables(read_table(written(tmp_path, COLUMNS)))
    write_tables(tables, tmp_path / "folder", source="measured here")
    again = read_tables(tmp_path / "folder")
    assert [(table.kind, table.variety, dict(table.measured)) for table in again.all] == [
        (table.kind, table.variety, dict(table.measured)) for table in tables.all
    ]
    assert parquet.read_schema(tmp_path / "folder" / "gemm.parquet").metadata[b"source"] == b"measured here"


def test_a_folders_other_files_are_left_alone(tmp_path: Path) -> None:
    written(tmp_path, COLUMNS)
    (tmp_path / "notes.csv").write_text("what,ever\n")
    assert {table.kind for table in read_tables(tmp_path).all} == {"gemm"}


def test_fp16_is_looked_up_as_bf16_unless_it_was_measured_itself() -> None:
    def table(precision: str) -> Table:
        return Table("gemm", (precision,), np.ones((1, 3)), np.ones(1))

    asked = Gemm("fp16", m=1, n=1, k=1)
    assert Tables((table("bf16"),)).of(asked) is not None
    found = Tables((table("bf16"), table("fp16"))).of(asked)
    assert found is not None
    assert found.variety == ("fp16",)
    assert Tables((table("bf16"),)).of(Gemm("fp8", m=1, n=1, k=1)) is None


def test_new_tables_take_the_place_of_their_own_variety_alone(tmp_path: Path) -> None:
    old = Tables(read_table(written(tmp_path, COLUMNS)))
    [newer] = read_table(written(tmp_path, {name: [values[0]] for name, values in COLUMNS.items()}, "gemm-new.csv"))
    both = old.with_tables([newer])
    assert {table.variety: len(table.latency_ms) for table in both.all} == {("bf16",): 1, ("fp8",): 1}
    assert len(old.all[0].latency_ms) == 2


def test_sizes_beyond_a_table_are_named_with_what_was_measured(tmp_path: Path) -> None:
    bf16, _ = read_table(written(tmp_path, COLUMNS))
    assert bf16.beyond((2, 64, 32)) == ()
    assert bf16.beyond((3, 64, 16)) == ("m = 3 (measured 1 to 2)", "k = 16 (measured 32 to 32)")


def test_tables_stand_in_the_order_of_their_files_however_they_came(tmp_path: Path) -> None:
    tables = read_table(written(tmp_path, COLUMNS))
    reduced = Table("all_reduce", ("bf16",), np.ones((1, 2)), np.ones(1))
    again = Tables().with_tables([*reversed(tables), reduced])
    assert [(table.kind, *table.variety) for table in again.all] == [
        ("all_reduce", "bf16"), ("gemm", "bf16"), ("gemm", "fp8"),
    ]  # fmt: skip
