"""`length`: short replies are worth more than long ones."""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveInt, model_validator

from blockwright.plugins import hookimpl
from blockwright.post_training.rewards import Reward, RewardOptions, Sample


class LengthOptions(RewardOptions):
    """Replies of up to `free` tokens are worth 1; from there it falls in a straight line to 0 at `most`."""

    free: NonNegativeInt = 0
    most: PositiveInt = 512

    @model_validator(mode="after")
    def _falls(self) -> LengthOptions:
        if self.free >= self.most:
            raise ValueError(f"free ({self.free}) must be below most ({self.most})")
        return self


class LengthReward(Reward):
    """From 1, for a short reply, to 0."""

    name = "length"
    Options = LengthOptions

    def score(self, sample: Sample) -> float:
        assert isinstance(self.options, LengthOptions)
        free, most = self.options.free, self.options.most
        return min(1.0, max(0.0, (most - sample.tokens) / (most - free)))


@hookimpl
def register_rewards() -> list[type[Reward]]:
    return [LengthReward]
