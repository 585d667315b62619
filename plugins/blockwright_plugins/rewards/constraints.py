"""`constraints`: the answer is written as the instruction asks, each of whose constraints can be checked."""

from __future__ import annotations

from blockwright.plugins import hookimpl
from blockwright.post_training.constraints import share_kept
from blockwright.post_training.rewards import Reward, RewardOptions, Sample


class ConstraintsOptions(RewardOptions):
    """`whole`: an answer that keeps some of the constraints alone is worth nothing."""

    whole: bool = False


class ConstraintsReward(Reward):
    """The share of the constraints that the answer keeps: of none asked all are kept, of an empty answer none."""

    name = "constraints"
    Options = ConstraintsOptions

    def score(self, sample: Sample) -> float:
        assert isinstance(self.options, ConstraintsOptions)
        share = share_kept(sample.question, sample.answer)
        return float(share >= 1.0) if self.options.whole else share


@hookimpl
def register_rewards() -> list[type[Reward]]:
    return [ConstraintsReward]
