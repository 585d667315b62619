"""The text that healing works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from blockwright.text.sequences import first_tokens

if TYPE_CHECKING:
    from blockwright.stages import StageContext


@dataclass(frozen=True)
class HealingTexts:
    """Token sets (sequences, seq): one to learn from, and one that decides what is kept."""

    calibration: Tensor
    heldback: Tensor

    @classmethod
    def of(cls, context: StageContext, tokens: int | None) -> HealingTexts:
        """No more calibration text than that many tokens, in whole sequences; all of it without a number."""
        return cls(first_tokens(context.tokens["calibration"], tokens), context.tokens["heldback"])
