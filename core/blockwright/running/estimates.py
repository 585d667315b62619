"""How long a run will take and how much disk it needs, before it starts: counted operations over a measured rate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.running.files import BUILD, LIBRARY, PARENT, SCORES, SOLVE
from blockwright.searching.pricing import Prices

if TYPE_CHECKING:
    from blockwright.recipes.checking import CheckedRecipe

FORWARD, FORWARD_AND_BACKWARD = 2, 6  # operations a parameter and token
BYTES_STORED = 4  # the library and the child are float32


@dataclass(frozen=True)
class Estimate:
    """Seconds by step and bytes by folder. Stages are not in it: only they know what they will do."""

    seconds: Mapping[str, float]
    disk_bytes: Mapping[str, float]


def estimate(checked: CheckedRecipe, prices: Prices) -> Estimate:
    """Matrix products only, at the rate of a large one, so a run takes rather more than less."""
    operations = count_operations(checked, prices)
    rate = measure_operations_per_second()
    return Estimate({step: count / rate for step, count in operations.items()}, count_bytes(checked, prices))


def count_operations(checked: CheckedRecipe, prices: Prices) -> dict[str, float]:
    """Floating point operations of each heavy step."""
    text, library = checked.recipe.text, checked.recipe.library
    parameters = prices.parent["params"]
    variants = _variant_parameters(prices)
    moments = sum(2 * width**2 for width in _feature_widths(checked))
    gradient_tokens = min(library.gradient_tokens, text.calibration_tokens)
    distilled = library.distill.tokens if library.distill else 0
    return {
        LIBRARY: text.calibration_tokens * (FORWARD * parameters + moments)
        + gradient_tokens * FORWARD_AND_BACKWARD * parameters
        + distilled * FORWARD_AND_BACKWARD * variants,
        SCORES: text.scoring_tokens * (FORWARD_AND_BACKWARD * parameters + FORWARD * variants),
        SOLVE: checked.recipe.search.rounds * text.heldback_tokens * (FORWARD + FORWARD_AND_BACKWARD) * parameters,
        "evaluation": text.evaluation_tokens * 2 * 2 * FORWARD * parameters,
    }


def count_bytes(checked: CheckedRecipe, prices: Prices) -> dict[str, float]:
    """At most: slices of the parent are stored as an index, which takes almost nothing."""
    parameters = prices.parent["params"]
    dequantised = {PARENT: BYTES_STORED * parameters} if checked.recipe.parent.gguf_file else {}
    return {**dequantised, LIBRARY: BYTES_STORED * _variant_parameters(prices), BUILD: BYTES_STORED * parameters}


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


def measure_operations_per_second(size: int = 768, least_seconds: float = 0.1) -> float:
    """Of float32 matrix products on this machine, now."""
    import torch

    a, b = torch.ones(size, size), torch.ones(size, size)
    a @ b  # the first product sets up threads
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < least_seconds:
        a @ b
        products += 1
    return products * 2 * size**3 / (time.perf_counter() - start)
