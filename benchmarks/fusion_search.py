"""Fusion in the search: off, after the variants were chosen, and along with them, at the same decode latencies.

SmolLM2 on three H100s with fp8 weights: nine heads go over three GPUs, not over eight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from common import print_table

import blockwright

RECIPE = Path(__file__).with_name("fusion_search.yaml")
BUDGETS, FUSIONS = ("80%", "65%"), ("off", "post", "joint")
JOINS = "transforms=[ffn-fusion: {joins: search}]"


def main() -> None:
    header = (
        "decode",
        "fusion",
        "predicted KL",
        "KL(parent‖child), unseen text",
        "top-1",
        "joins",
        "attentions skipped",
    )
    print_table("SmolLM2 on h100-sxm, TP3, fp8, batch 32", header, list(_rows()))


def _rows() -> Iterator[Sequence[object]]:
    for budget in BUDGETS:
        for fusion in FUSIONS:
            joins = [] if fusion == "off" else [JOINS]
            run = blockwright.run(RECIPE, f"budget.decode_ms={budget}", f"search.fusion={fusion}", *joins)
            solution, final = run.solution, run.evaluation["final"]
            assert isinstance(final, dict)
            skipped = sum(label == "skip" for name, label in solution.variants.items() if name.startswith("attention"))
            row = final["kl_nats_per_token"], final["top1_agreement"], len(solution.joined), skipped
            yield budget, fusion, run.evaluation["predicted"], *row
            print(budget, fusion, run.evaluation["predicted"], *row, flush=True)


if __name__ == "__main__":
    main()
