"""How long a run will take, and how much disk and memory it needs, before it starts: operations over a measured rate,
and what must be held."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.running.files import BUILD, LIBRARY, PARENT, SCORES, SOLVE
from blockwright.searching.pricing import Prices
from blockwright.variants import SLOTS

if TYPE_CHECKING:
    from blockwright.recipes.checking import CheckedRecipe

FORWARD, FORWARD_AND_BACKWARD = 2, 6  # operations a parameter and token
BYTES_STORED = 4  # the library and the child are float32
BYTES_OF_A_MOMENT = 8  # second moments are float64
PROCESS_BYTES = 0.3 * 2**30  # of an interpreter with torch and transformers, before any weight


@dataclass(frozen=True)
class Estimate:
    """Seconds by step, bytes by folder, and bytes of memory by step, which are the least that it can do with.

    Stages are not in it: only they know what they will do.
    """

    seconds: Mapping[str, float]
    disk_bytes: Mapping[str, float]
    memory_bytes: Mapping[str, float]


def estimate(checked: CheckedRecipe, prices: Prices) -> Estimate:
    """Matrix products only, at the rate of a large one, so a run takes rather more than less."""
    operations = count_operations(checked, prices)
    rate = measure_operations_per_second()
    seconds = {step: count / rate for step, count in operations.items()}
    return Estimate(seconds, count_bytes(checked, prices), count_memory(checked, prices))


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
