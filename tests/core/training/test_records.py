from __future__ import annotations

from pathlib import Path

from blockwright.training.records import Record

COLUMNS = ("step", "loss")


def test_numbers_read_back_as_they_were(tmp_path: Path) -> None:
    record = Record(tmp_path / "losses.csv", COLUMNS)
    rows = [{"step": 1.0, "loss": 0.1 + 0.2}, {"step": 2.0, "loss": 1e-17}]
    for row in rows:
        record.add(row)
    assert record.rows() == rows
    assert record.path.read_text().splitlines()[:2] == ["step,loss", "1,0.30000000000000004"]


def test_a_row_that_a_kill_has_cut_does_not_count(tmp_path: Path) -> None:
    record = Record(tmp_path / "losses.csv", COLUMNS)
    record.add({"step": 1.0, "loss": 2.0})
    with record.path.open("a") as file:
        file.write("2")
    assert [row["step"] for row in record.rows()] == [1]
    record.cut_back(1)
    record.add({"step": 2.0, "loss": 3.0})
    assert [row["loss"] for row in record.rows()] == [2.0, 3.0]


def test_rows_beyond_a_checkpoint_are_cut(tmp_path: Path) -> None:
    record = Record(tmp_path / "losses.csv", COLUMNS)
    for step in (1, 2, 3):
        record.add({"step": float(step), "loss": 1.0})
    record.cut_back(2)
    assert [row["step"] for row in record.rows()] == [1, 2]
    record.cut_back(0)
    assert not record.path.exists()
