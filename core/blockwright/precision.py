"""How numbers are stored: precisions and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Precision = Literal["fp32", "bf16", "fp16", "fp8"]
BYTES: Mapping[Precision, int] = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1}
ACTIVATIONS: Mapping[Precision, Precision] = {"fp32": "fp32", "bf16": "bf16", "fp16": "fp16", "fp8": "bf16"}
"""What is computed in beside stored numbers of each precision: the stream, norms, attention, embedding and head."""
