"""Seconds to price every variant of Puzzle's space on a parent of 126 layers in eight scenarios, reading included."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

from common import print_table
from llamas import outline

from blockwright.costs import CostModel, Scenario
from blockwright.costs.parts import PlacedVariant
from blockwright.hardware.profile import HardwareProfile
from blockwright.plugins import installed_plugins
from blockwright.spaces.files import read_space
from blockwright.variants import SLOTS, SubBlock, VariantSpec

SCENARIOS = tuple(
    Scenario(batch=batch, input_tokens=tokens, output_tokens=1024, tensor_parallel=8, weights="fp8", kv="fp8")
    for batch in (1, 8, 32, 128)
    for tokens in (777, 3001)  # no sizes of the table's own, so that all must be interpolated
)


def main() -> None:
    warnings.simplefilter("ignore")
    variants = _placed()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        cost_model = CostModel(HardwareProfile.load("h100-sxm"))
        prices = {
            (SubBlock(layer, one.spec.slot), one.spec, scenario): cost_model.block(one, scenario)
            for scenario in SCENARIOS
            for layer in range(126)
            for one in variants
        }
        seconds.append(time.perf_counter() - start)
    rows = [(len(prices), min(seconds), sorted(seconds)[1])]
    print_table("Pricing 126 layers × 15 variants in 8 scenarios", ("prices", "best s of 3", "median s of 3"), rows)


def _placed() -> list[PlacedVariant]:
    """The space's variants on Llama-3.1-405B."""
    plugins, shapes = installed_plugins(), outline("llama-405b").shapes
    written = read_space("puzzle", plugins.resource_folders("searchspaces"), Path()).data
    assert isinstance(written, dict)
    found: list[PlacedVariant] = []
    for slot in SLOTS:
        for entry in written[slot]:
            kind, option = (entry, None) if isinstance(entry, str) else next(iter(entry.items()))
            variant = plugins.variants[(slot, kind)]
            options = variant.Options.model_validate({} if option is None else {variant.main_option: option})
            spec: VariantSpec = variant.resolve(options, shapes[slot])
            found.append(PlacedVariant(variant, spec, shapes[slot]))
    return found


if __name__ == "__main__":
    main()
