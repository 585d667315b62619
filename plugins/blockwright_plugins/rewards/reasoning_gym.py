"""`reasoning-gym`: the answer by the scorer of the generator that made the question."""

from __future__ import annotations

from blockwright.plugins import hookimpl
from blockwright.post_training.rewards import Reward, RewardOptions, Sample


class ReasoningGymOptions(RewardOptions):
    """`whole`: a partly right answer, for which many generators give a part of the point, is worth nothing."""

    whole: bool = False


class ReasoningGymReward(Reward):
    """From 0 to 1; of questions that no generator made, whether the answer is the same but for space and case."""

    name = "reasoning-gym"
    Options = ReasoningGymOptions

    def score(self, sample: Sample) -> float:
        assert isinstance(self.options, ReasoningGymOptions)
        score = sample.question.score(sample.answer)
        return float(score >= 1.0) if self.options.whole else score


@hookimpl
def register_rewards() -> list[type[Reward]]:
    return [ReasoningGymReward]
