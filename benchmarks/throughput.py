"""Throughput-targeted children for one H100 at the shapes of Llama 8B and 70B; scores are synthetic, costs are not.

A sub-block's loss grows with the share of it that goes, steeper in the first and last layers; the batch is chosen with
the architecture.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping

from common import print_table
from llamas import outline, parent_graph

from blockwright.costs import CostModel, ModelCost, Scenario
from blockwright.costs.parts import PlacedVariant
from blockwright.errors import UserError
from blockwright.graph.block_graph import BlockGraph
from blockwright.graph.building import Outline, graph_of
from blockwright.hardware.profile import HardwareProfile
from blockwright.plugins import installed_plugins
from blockwright.problem import Choice, Problem
from blockwright.searching.batches import best_batch
from blockwright.variants import Slot, SubBlock, VariantSpec

BATCHES = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
TARGETS = (("llama-8b", 1.5), ("llama-8b", 2.17), ("llama-70b", 5.0))
HARDWARE = "h100-sxm"
WHOLE: Mapping[Slot, float] = {"attention": 0.02, "ffn": 0.03}  # nats per token that a whole sub-block is worth


def main() -> None:
    warnings.simplefilter("ignore")
    rows = [_row(name, speed_up) for name, speed_up in TARGETS]
    header = (
        "parent, fp8", "asked", "attentions kept", "mean FFN width", "batch", "largest", "tokens/s",
        "parent's (batch)", "ratio", "ratio at the parent's batch", "loss, synthetic",
    )  # fmt: skip
    print_table(
        f"Children for throughput on {HARDWARE}, 1024 tokens in and out, memory 95 %, 1 GiB overhead", header, rows
    )


def _row(name: str, speed_up: float) -> tuple[object, ...]:
    profile = HardwareProfile.load(HARDWARE).model_copy(update={"memory_fraction": 0.95, "overhead_gib": 1.0})
    cost_model, parent = CostModel(profile), parent_graph(name)
    largest = cost_model.model(parent, _scenario(1)).max_batch
    at_largest = cost_model.model(parent, _scenario(largest))
    problems = {batch: _problem(name, cost_model, batch, speed_up * at_largest.tokens_per_s) for batch in BATCHES}
    highs = installed_plugins().solver("highs")
    solver = highs(highs.Options(time_limit_s=20, mip_gap=1e-4))
    batch, _ = best_batch(problems, solver)
    solution = solver.solve(problems[batch])
    child = _child(outline(name), solution.variants)
    cost = cost_model.model(child, _scenario(batch))
    equal = _at(cost_model, child, largest)
    ratio = equal.tokens_per_s / at_largest.tokens_per_s if equal else ""
    kept = Counter(node.kind for node in child.sub_blocks)["attention"]
    layers = outline(name).layers
    told = f"{at_largest.tokens_per_s:.0f} ({largest})"
    speed = cost.tokens_per_s / at_largest.tokens_per_s
    widths = _mean_width(outline(name), solution.variants)
    return (
        name, f"{speed_up}x", f"{kept} of {layers}", widths, batch, cost.max_batch, cost.tokens_per_s, told,
        speed, ratio, solution.objective,
    )  # fmt: skip


def _problem(name: str, cost_model: CostModel, batch: int, tokens_per_s: float) -> Problem:
    """Puzzle's space; the first layer keeps its attention."""
    sizes, scenario = outline(name), _scenario(batch)
    choices: dict[str, tuple[Choice, ...]] = {}
    for slot, specs in _specs(sizes).items():
        costs = {spec: cost_model.block(_placed(spec, sizes), scenario).resources(scenario) for spec in specs}
        whole = costs[VariantSpec(slot, "keep")]["params"]
        for layer in range(sizes.layers):
            offered = [spec for spec in specs if spec.kind != "skip" or slot == "ffn" or layer]
            choices[str(SubBlock(layer, slot))] = tuple(
                Choice(spec.label, _score(layer, sizes.layers, slot, 1 - costs[spec]["params"] / whole), costs[spec])
                for spec in offered
            )
    fixed = cost_model.fixed(parent_graph(name), scenario).resources(scenario)
    assert cost_model.hardware is not None
    limits = {"ms_per_token": 1e3 / tokens_per_s, "memory": cost_model.hardware.usable_bytes}
    return Problem(choices, limits, fixed)


def _score(layer: int, layers: int, slot: Slot, gone: float) -> float:
    """Of a share that is gone: convex, so that the first channels cost little; the ends of the model matter more."""
    place = 2 * layer / (layers - 1) - 1
    return float(WHOLE[slot] * (0.4 + place**4 + 0.1 * math.sin(3.7 * layer)) * gone**1.7)


def _specs(sizes: Outline) -> dict[Slot, tuple[VariantSpec, ...]]:
    heads = [VariantSpec("attention", "kv_heads", (("heads", count),)) for count in (4, 2, 1)]
    full = sizes.shapes["ffn"].ffn_width
    widths = [round(full * share / 256) * 256 for share in (0.875, 0.75, 0.5, 0.25, 0.125)]
    narrow = [VariantSpec("ffn", "narrow", (("width", width),)) for width in widths]
    return {
        "attention": (VariantSpec("attention", "keep"), *heads, VariantSpec("attention", "skip")),
        "ffn": (VariantSpec("ffn", "keep"), *narrow, VariantSpec("ffn", "skip")),
    }


def _placed(spec: VariantSpec, sizes: Outline) -> PlacedVariant:
    return PlacedVariant.of(spec, sizes.shapes[spec.slot], installed_plugins().variants)


def _child(sizes: Outline, labels: Mapping[str, str]) -> BlockGraph:
    by_label = {(slot, spec.label): spec for slot, specs in _specs(sizes).items() for spec in specs}
    placed = {SubBlock.parse(name): label for name, label in labels.items()}
    assignment = {one: by_label[one.slot, label] for one, label in placed.items()}
    return graph_of(sizes, assignment, installed_plugins().variants)


def _mean_width(sizes: Outline, labels: Mapping[str, str]) -> int:
    full = sizes.shapes["ffn"].ffn_width
    ffns = [label for name, label in labels.items() if name.startswith("ffn")]
    widths = [full if label == "keep" else int(label.partition("=")[2] or 0) for label in ffns]
    return round(sum(widths) / len(widths))


def _at(cost_model: CostModel, graph: BlockGraph, batch: int) -> ModelCost | None:
    try:
        return cost_model.model(graph, _scenario(batch))
    except UserError:
        return None


def _scenario(batch: int) -> Scenario:
    return Scenario(batch=batch, input_tokens=1024, output_tokens=1024, weights="fp8", kv="fp8")


if __name__ == "__main__":
    main()
