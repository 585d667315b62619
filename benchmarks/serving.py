"""Whole models against measured serving rows: time per output token on H100s, by summing blocks of bundled profiles.

The rows are of NVIDIA's aiconfigurator-core 0.12.0 (Apache-2.0; data/NOTICE.md). Those with a time to first token above
three seconds are left out: their server was saturated, and requests waited.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from common import print_table
from llamas import DATA, parent_graph

from blockwright.costs import CostModel, Scenario
from blockwright.hardware.profile import HardwareProfile
from blockwright.plugins import installed_plugins
from blockwright.precision import Precision

SATURATED_MS = 3000
SERVED = (("vllm", "llama-70b", "h100-sxm"), ("trtllm", "qwen3-32b", "h100-sxm-trtllm"))
Row = Mapping[str, str]


def main() -> None:
    warnings.simplefilter("ignore")
    rows = []
    for framework, model, profile in SERVED:
        served = [row for row in _rows() if row["framework"] == framework and float(row["ttft_ms"]) <= SATURATED_MS]
        for name in ("roofline", "tables"):
            cost_model = installed_plugins().cost_model(name)(HardwareProfile.load(profile))
            rows += [(framework, model, name, kv, len(served), *_errors(cost_model, model, served, kv)) for kv in KV]
    header = (
        "rows of",
        "model, fp8",
        "cost model",
        "KV",
        "rows",
        "median % error",
        "p90 % error",
        "bias %",
        "rank corr.",
    )
    print_table("Time per output token on H100s, predicted against measured", header, rows)


KV: tuple[Precision, ...] = ("bf16", "fp8")


def _rows() -> list[Row]:
    with (DATA / "h100_serving.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _errors(cost_model: CostModel, model: str, served: Sequence[Row], kv: Precision) -> tuple[float, ...]:
    graph = parent_graph(model)
    predicted = np.array([cost_model.model(graph, _scenario(row, kv)).tpot_ms for row in served])
    measured = np.array([float(row["tpot_ms"]) for row in served])
    signed = 100 * (predicted / measured - 1)
    ranks = np.corrcoef(predicted.argsort().argsort(), measured.argsort().argsort())[0, 1]
    errors = np.abs(signed)
    return float(np.median(errors)), float(np.percentile(errors, 90)), float(np.median(signed)), float(ranks)


def _scenario(row: Row, kv: Precision) -> Scenario:
    return Scenario(
        batch=round(float(row["concurrency"])),
        input_tokens=int(row["isl"]),
        output_tokens=int(row["osl"]),
        tensor_parallel=int(row["tp"]),
        weights="fp8",
        kv=kv,
    )


if __name__ == "__main__":
    main()
