"""Costs as values: of one sub-block, and of a whole model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from blockwright.costs.scenario import Scenario

Source = Literal["measured", "interpolated", "analytic"]


@dataclass(frozen=True)
class BlockCost:
    """What one part takes in a scenario: counts, bytes on each GPU, and milliseconds where the hardware is known.

    `prefill_ms` is one prompt alone, `decode_ms` one step of the whole batch. `…_waits_ms` is the part of those that is
    latency (kernels' fixed times, all-reduces), which parallel branches share. `source` tells where most of the
    time comes from. `kv_bytes_per_token` is the cache of a whole sequence of the scenario by its tokens, so that what
    keeps only a window of them, or a state, counts as such.
    """

    parameters: int
    weight_bytes: float
    kv_bytes_per_token: float
    prefill_ms: float | None = None
    decode_ms: float | None = None
    prefill_waits_ms: float = 0.0
    decode_waits_ms: float = 0.0
    source: Source = "analytic"

    def resources(self, scenario: Scenario) -> dict[str, float]:
        """By the names that limits use, all of which add up over the parts of a model.

        `params` (a count), `memory` (bytes on each GPU: weights and the full KV cache), and with times `prefill_ms`,
        `decode_ms`, `tpot_ms` and `ms_per_token` (the inverse of tokens per second).
        """
        counted = {
            "params": float(self.parameters),
            "memory": self.weight_bytes + self.kv_bytes_per_token * scenario.kv_tokens,
        }
        if self.prefill_ms is None or self.decode_ms is None:
            return counted
        return counted | served(self.prefill_ms, self.decode_ms, scenario)


def served(prefill_ms: float, decode_ms: float, scenario: Scenario) -> dict[str, float]:
    """The times of a server that is always full: while a sequence decodes, those that follow the others are prefilled.

    tpot = decode + (batch − 1) · prefill / output tokens, as a request sees it; and batch · output tokens are made in
    output tokens · decode + batch · prefill, whatever request they are of.
    """
    batch, answers = scenario.batch, scenario.output_tokens
    return {
        "prefill_ms": prefill_ms,
        "decode_ms": decode_ms,
        "tpot_ms": decode_ms + (batch - 1) * prefill_ms / answers,
        "ms_per_token": decode_ms / batch + prefill_ms / answers,
    }


@dataclass(frozen=True)
class ModelCost:
    """A whole model in a scenario: bytes on each GPU, times, and `parts` by the names of the graph's nodes.

    `max_batch` is the most sequences whose full KV caches fit beside the weights, whatever the scenario's own batch.
    """

    parameters: int
    weight_bytes: float
    kv_bytes_per_token: float
    memory_bytes: float
    max_batch: int
    prefill_ms: float
    decode_ms: float
    tpot_ms: float
    tokens_per_s: float
    source: Source
    parts: Mapping[str, BlockCost]


def mostly(shares: Iterable[tuple[Source, float]]) -> Source:
    """The source of the largest share."""
    totals: dict[Source, float] = {"analytic": 0.0, "interpolated": 0.0, "measured": 0.0}
    for source, share in shares:
        totals[source] += share
    return max(totals, key=lambda source: totals[source])
