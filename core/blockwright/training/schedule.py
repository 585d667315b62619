"""The learning rate of each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blockwright.training.settings import TrainingSettings


def cosine(step: int, steps: int) -> float:
    """The share of the full rate that is left after so many of the steps that take it to nothing: from 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * (step / max(steps, 1))))


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """Of step 1 … `steps`: linear warmup to the full rate, then a cosine down to the least."""
    warmup = round(settings.warmup * steps)
    if step <= warmup:
        return settings.learning_rate * step / warmup
    falling = cosine(step - warmup, steps - warmup)
    return settings.learning_rate * (settings.min_learning_rate + (1 - settings.min_learning_rate) * falling)
