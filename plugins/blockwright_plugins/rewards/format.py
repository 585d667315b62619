"""`format`: the reply does what the thinking toggle says."""

from __future__ import annotations

from blockwright.plugins import hookimpl
from blockwright.post_training.rewards import Reward, Sample
from blockwright.post_training.thinking import follows


class FormatReward(Reward):
    """1 for a well-formed think block under `on` and for no trace of one under `off` or without a toggle, else 0."""

    name = "format"

    def score(self, sample: Sample) -> float:
        return float(follows(sample.reply, sample.mode or "off"))


@hookimpl
def register_rewards() -> list[type[Reward]]:
    return [FormatReward]
