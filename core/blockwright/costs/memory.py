"""What fits: weights and KV caches against a machine's memory."""

from __future__ import annotations

from blockwright.costs.scenario import Scenario
from blockwright.errors import UserError
from blockwright.hardware.profile import HardwareProfile


def largest_batch(hardware: HardwareProfile, weight_bytes: float, kv_bytes_per_token: float, scenario: Scenario) -> int:
    """The most sequences that fit with their full KV caches; UserError where not even one does, by how much it fails.

    Bytes are those of one GPU. A model without a KV cache is given the scenario's own batch.
    """
    sequence = kv_bytes_per_token * (scenario.input_tokens + scenario.output_tokens)
    missing = weight_bytes + sequence - hardware.usable_bytes
    if missing > 0:
        raise UserError(_too_large(hardware, weight_bytes, sequence, scenario))
    return int((hardware.usable_bytes - weight_bytes) // sequence) if sequence else scenario.batch


def _too_large(hardware: HardwareProfile, weight_bytes: float, sequence: float, scenario: Scenario) -> str:
    weights, cache, usable = (size / 2**30 for size in (weight_bytes, sequence, hardware.usable_bytes))
    whole = (weights + cache) * scenario.tensor_parallel
    enough = [gpus for gpus in (2, 4, 8) if gpus > scenario.tensor_parallel and whole / gpus <= usable]
    hint = f"; tensor_parallel: {enough[0]} would do" if enough and hardware.link_gb_s else ""
    return (
        f"{hardware.name}: {weights:.1f} GiB of weights and {cache:.2f} GiB of KV cache for one sequence are "
        f"{weights + cache - usable:.1f} GiB more than the {usable:.1f} GiB that it can give them "
        f"({hardware.memory_fraction:.0%} of {hardware.memory_gib:g} GiB, less {hardware.overhead_gib:g}){hint}"
    )
