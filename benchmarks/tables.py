"""Held-out rows of the bundled H100 tables, predicted from the other rows: calibrated × residual beside rooflines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from common import print_table

from blockwright.hardware.calibration import calibrated_on
from blockwright.hardware.interpolation import Interpolator
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import Floats, Table

SHARE, MOST_QUERIES = 0.2, 2000
Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def main() -> None:
    profile, rows = HardwareProfile.load("h100-sxm"), []
    for table in profile.tables.all:
        for split, held_out in _splits(table).items():
            rows += _errors(profile, table, split, held_out)
    header = ("table", "held out", "queries", "model", "median % error", "p90 % error")
    print_table("H100 (vLLM) tables: prediction of rows that the model has not seen", header, rows)


def _splits(table: Table) -> dict[str, Mask]:
    """A fifth of the rows; of products, also all rows of a fifth of the (n, k) pairs. Asked is what is large."""
    random, asked = np.random.default_rng(0), _asked(table)
    splits = {"rows": random.random(len(asked)) < SHARE}
    if table.kind == "gemm":
        pairs = table.sizes[:, 1] * 2**20 + table.sizes[:, 2]
        chosen = [pair for pair in np.unique(pairs[asked]) if random.random() < SHARE]
        splits["(n, k) pairs"] = np.isin(pairs, chosen)
    return {name: held_out & asked for name, held_out in splits.items()} if table.kind != "all_reduce" else {}


def _asked(table: Table) -> Mask:
    if table.kind == "gemm":
        large: Mask = (table.sizes[:, 1] >= 1024) & (table.sizes[:, 2] >= 1024)
        return large
    return np.ones(len(table.latency_ms), bool)


def _errors(profile: HardwareProfile, table: Table, split: str, held_out: Mask) -> list[tuple[object, ...]]:
    seen = table.rows(~held_out)
    learnt = calibrated_on(profile, [seen])
    between = Interpolator(learnt, seen)
    queries = np.random.default_rng(1).permutation(np.flatnonzero(held_out))[:MOST_QUERIES]
    operations, measured = [table.operation(int(row)) for row in queries], table.latency_ms[queries]
    models: dict[str, Callable[[int], float]] = {
        "plain roofline": lambda at: max(profile.peak_times(operations[at])),
        "calibrated roofline": lambda at: learnt.analytic_ms(operations[at]),
        "calibrated × residual": lambda at: learnt.analytic_ms(operations[at]) * between.factor(operations[at]),
    }
    name = f"{table.kind} {' '.join(map(str, table.variety))}"
    return [
        (name, split, len(queries), model, *_of(np.array([predict(at) for at in range(len(queries))]), measured))
        for model, predict in models.items()
    ]


def _of(predicted: Floats, measured: Floats) -> tuple[float, float]:
    errors = 100 * np.abs(predicted / measured - 1)
    return float(np.median(errors)), float(np.percentile(errors, 90))


if __name__ == "__main__":
    main()
