"""What a sub-block costs in a scenario: values and the contract for cost models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt

from blockwright.variants import BlockVariant, SubBlockShape, VariantSpec

Precision = Literal["fp32", "bf16", "fp16", "fp8"]
BYTES: Mapping[Precision, int] = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1}


class Scenario(BaseModel):
    """How the child will be used; memory depends on it, and latency will."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    batch: PositiveInt = 1
    input_tokens: PositiveInt = 1024
    output_tokens: PositiveInt = 256
    weights: Precision = "bf16"
    kv: Precision = "bf16"

    @property
    def kv_tokens(self) -> int:
        """Tokens in the KV cache at the end of generation, over the whole batch."""
        return self.batch * (self.input_tokens + self.output_tokens)


@dataclass(frozen=True)
class BlockCost:
    """Cost of one sub-block: counts and bytes, with where the numbers come from."""

    parameters: int
    weight_bytes: float
    kv_bytes_per_token: float
    source: Literal["measured", "interpolated", "analytic"] = "analytic"

    def resources(self, scenario: Scenario) -> dict[str, float]:
        """By the names that budgets use: `params` (a count) and `memory` (bytes: weights and full KV cache)."""
        return {
            "params": float(self.parameters),
            "memory": self.weight_bytes + self.kv_bytes_per_token * scenario.kv_tokens,
        }


class CostModel(ABC):
    """Prices variants in a scenario. Stateless apart from its options."""

    name: ClassVar[str]

    @abstractmethod
    def block(self, variant: BlockVariant, spec: VariantSpec, shape: SubBlockShape, scenario: Scenario) -> BlockCost:
        """Cost of one variant of one sub-block."""
