"""The learning rate of each step."""

from __future__ import annotations

import math

from blockwright.training.settings import TrainingSettings


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """Of step 1 … `steps`: linear warmup to the full rate, then a cosine down to the least."""
    warmup = round(settings.warmup * steps)
    if step <= warmup:
        return settings.learning_rate * step / warmup
    passed = (step - warmup) / max(steps - warmup, 1)
    falling = 0.5 * (1 + math.cos(math.pi * passed))
    return settings.learning_rate * (settings.min_learning_rate + (1 - settings.min_learning_rate) * falling)
