"""How long a full run takes, and how much disk and memory it needs, before it starts: operations over a rate that was
measured here or that a named machine's measured tables give, and what must be held."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blockwright.hardware.efficiency import DEFAULT
from blockwright.running.files import BUILD, LIBRARY, PARENT, SCORES, SOLVE
from blockwright.searching.pricing import Prices
from blockwright.variants import SLOTS

if TYPE_CHECKING:
    import torch

    from blockwright.recipes.checking import CheckedRecipe

FORWARD, FORWARD_AND_BACKWARD = 2, 6  # operations a parameter and token
BYTES_STORED = 4  # the library and the child are float32
BYTES_OF_A_MOMENT = 8  # second moments are float64
FLOAT64_SHARE = 1 / 16  # of a GPU's bf16 peak: an H100 has 67 of 989 TFLOP/s
PROCESS_BYTES = 0.3 * 2**30  # of an interpreter with torch and transformers, before any weight


@dataclass(frozen=True)
class Estimate:
    """Seconds by step, bytes by folder, and bytes of memory by step, which are the least that it can do with.

    `rates` are what seconds were divided by; `gpu` and `gpu_seconds` are those of the recipe's machine, where it names
    one. Stages are not in it: only they know what they will do.
    """

    seconds: Mapping[str, float]
    disk_bytes: Mapping[str, float]
    memory_bytes: Mapping[str, float]
    rates: Rates
    gpu: Rates | None = None
    gpu_seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Operations:
    """Floating point operations of a step: matrix products over text, and solving for weights in float64."""

    products: float
    solving: float = 0.0


@dataclass(frozen=True)
class Rates:
    """Operations a second of one machine; `origin` says what was measured and what is assumed."""

    products: float
    solving: float
    origin: str

    def seconds(self, operations: Operations) -> float:
        return operations.products / self.products + operations.solving / self.solving


def estimate(checked: CheckedRecipe, prices: Prices) -> Estimate:
    """Products and solving only, at the rate of large ones, so a run takes rather more than less."""
    operations, here, gpu = count_operations(checked, prices), rates_here(), rates_of_hardware(checked)
    return Estimate(
        {step: here.seconds(count) for step, count in operations.items()},
        count_bytes(checked, prices),
        count_memory(checked, prices),
        here,
        gpu,
        {step: gpu.seconds(count) for step, count in operations.items()} if gpu else {},
    )


def rates_here() -> Rates:
    """Of this machine's processors, measured for a moment."""
    import torch

    products, solving = measure_operations_per_second(), measure_operations_per_second(precision=torch.float64)
    origin = (
        f"Measured here just now: {products / 1e9:.4g} GFLOP/s of float32 and {solving / 1e9:.4g} of float64 products."
    )
    return Rates(products, solving, origin)


def rates_of_hardware(checked: CheckedRecipe) -> Rates | None:
    """Of one GPU of the recipe's hardware, by the calibrated share of its peak; None where the recipe names none."""
    hardware = checked.made.cost_model.hardware
    if hardware is None or not {"bf16", "fp16"} & hardware.peak_tflops.keys():
        return None
    peak = hardware.peak("bf16") * 1e12
    calibrated = hardware.efficiency.get("gemm", {}).get("bf16")
    share = (calibrated or DEFAULT).compute
    source = "fitted to its measured tables" if calibrated else "a default that nobody has calibrated"
    origin = (
        f"Of one {hardware.name}: bf16 products at {share:.0%} of {peak / 1e12:.4g} TFLOP/s, {source}. Assumed: text "
        f"is worked on in bf16 (today's steps compute in float32), solving in float64 at {FLOAT64_SHARE:.1%} of that "
        "peak, and no waiting for weights, disk or other GPUs."
    )
    return Rates(share * peak, FLOAT64_SHARE * peak, origin)


def count_operations(checked: CheckedRecipe, prices: Prices) -> dict[str, Operations]:
    """Of each heavy step."""
    text, library, search = checked.recipe.text, checked.recipe.library, checked.recipe.search
    parameters = prices.parent["params"]
    variants = _variant_parameters(prices)
    moments = sum(2 * width**2 for width in _feature_widths(checked))
    gradient_tokens = min(library.gradient_tokens, text.calibration_tokens)
    distilled = library.distill.tokens if library.distill else 0
    return {
        LIBRARY: Operations(
            (text.calibration_tokens + text.heldback_tokens) * (FORWARD * parameters + moments)
            + text.calibration_tokens * FORWARD * _parameters_of_runs(checked, prices)
            + gradient_tokens * FORWARD_AND_BACKWARD * parameters
            + distilled * FORWARD_AND_BACKWARD * variants,
            _solving(checked),
        ),
        SCORES: Operations(text.scoring_tokens * (FORWARD_AND_BACKWARD * parameters + FORWARD * variants)),
        SOLVE: Operations(
            min(search.tokens or text.heldback_tokens, text.heldback_tokens)
            * (1 + len(search.starts) + search.children * (1 + search.rounds))
            * FORWARD
            * parameters
            + search.rounds
            * text.scoring_tokens
            * ((FORWARD_AND_BACKWARD + FORWARD * search.samples) * parameters + FORWARD * variants)
        ),
        "evaluation": Operations(text.evaluation_tokens * 2 * 2 * FORWARD * parameters),
    }


def _solving(checked: CheckedRecipe) -> float:
    """Float64 operations of all sub-blocks; those that are alike are asked about once."""
    kinds, settings = checked.plugins.variants, checked.recipe.library
    alike = Counter((sub_block.slot, tuple(specs)) for sub_block, specs in checked.space.items())
    total = 0.0
    for (slot, specs), count in alike.items():
        for kind in {spec.kind for spec in specs}:
            of_kind = [spec for spec in specs if spec.kind == kind]
            total += count * kinds[(slot, kind)].solving_operations(of_kind, checked.parent.shape(slot), settings)
    return total


def _parameters_of_runs(checked: CheckedRecipe, prices: Prices) -> float:
    """Of the variants that are run over the calibration text to be built."""
    return float(
        sum(
            prices.main.blocks[str(sub_block)][spec.label].parameters
            for sub_block, specs in checked.space.items()
            for spec in specs
            if checked.plugins.variants[(spec.slot, spec.kind)].reads_inputs
        )
    )


def count_bytes(checked: CheckedRecipe, prices: Prices) -> dict[str, float]:
    """At most: slices of the parent are stored as an index, which takes almost nothing."""
    parameters = prices.parent["params"]
    dequantised = {PARENT: BYTES_STORED * parameters} if checked.recipe.parent.gguf_file else {}
    return {**dequantised, LIBRARY: BYTES_STORED * _variant_parameters(prices), BUILD: BYTES_STORED * parameters}


def count_memory(checked: CheckedRecipe, prices: Prices) -> dict[str, float]:
    """Bytes that each step holds at once at the least: streams of activations, one layer, moments of one sub-block.

    What the parts work with on top of that is not counted, so a run takes more.
    """
    parent, text = checked.parent, checked.recipe.text
    hidden, between = BYTES_STORED * parent.shape("ffn").hidden_size, parent.layers + 1
    embedding = hidden * parent.config.vocab_size
    resident = PROCESS_BYTES + embedding + _layer_bytes(checked, prices)
    gradients = between * min(checked.recipe.library.gradient_tokens, text.calibration_tokens)
    learnt_from = text.calibration_tokens + text.heldback_tokens
    rounds = between * text.scoring_tokens if checked.recipe.search.rounds else 0
    dequantised = {PARENT: PROCESS_BYTES + BYTES_STORED * prices.parent["params"]}
    return {
        **(dequantised if checked.recipe.parent.gguf_file else {}),
        LIBRARY: resident + max(gradients * hidden, learnt_from * hidden + _moment_bytes(checked)),
        SOLVE: resident + (2 * text.heldback_tokens + rounds) * hidden,
        "evaluation": resident + 2 * text.evaluation_tokens * hidden,
    }


def _layer_bytes(checked: CheckedRecipe, prices: Prices) -> float:
    """Of the parent's largest layer."""
    kept = {name: costs["keep"].parameters for name, costs in prices.main.blocks.items()}
    layers = [sum(kept.get(f"{slot}.{layer}", 0) for slot in SLOTS) for layer in range(checked.parent.layers)]
    return BYTES_STORED * float(max(layers))


def _moment_bytes(checked: CheckedRecipe) -> float:
    """Of the sub-block with the most of them, on the calibration text and on the held-back text."""
    widths = _feature_widths(checked)
    values = (sum(width**2 for width in widths[at : at + 3]) for at in range(0, len(widths), 3))
    return 2 * BYTES_OF_A_MOMENT * max(values)


def _variant_parameters(prices: Prices) -> float:
    """Weights of all variants together, but those of `keep`, which are the parent's."""
    return float(
        sum(
            cost.parameters
            for variants in prices.main.blocks.values()
            for label, cost in variants.items()
            if label != "keep"
        )
    )


def _feature_widths(checked: CheckedRecipe) -> list[int]:
    """Widths of the second moments of each sub-block: features, inputs and their cross product with outputs."""
    shapes = [checked.parent.shape(sub_block.slot) for sub_block in checked.space]
    return [
        width
        for shape in shapes
        for width in (
            shape.ffn_width if shape.slot == "ffn" else shape.attention_heads * shape.head_dim,
            shape.hidden_size,
            shape.hidden_size,
        )
    ]


def measure_operations_per_second(
    size: int = 768, least_seconds: float = 0.1, precision: torch.dtype | None = None
) -> float:
    """Of matrix products on this machine, now; float32 unless another precision is asked for."""
    import torch

    a, b = torch.ones(size, size, dtype=precision), torch.ones(size, size, dtype=precision)
    a @ b  # the first product sets up threads
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < least_seconds:
        a @ b
        products += 1
    return products * 2 * size**3 / (time.perf_counter() - start)
