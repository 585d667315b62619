"""`exact`: the answer after the think block is the one that was asked for, letter by letter."""

from __future__ import annotations

from blockwright.plugins import hookimpl
from blockwright.post_training.rewards import Reward, RewardOptions, Sample


class ExactOptions(RewardOptions):
    """`ignore_case`: capitals do not matter. Runs of space never do."""

    ignore_case: bool = True


class ExactReward(Reward):
    """1 where the answer is the expected one, else 0."""

    name = "exact"
    Options = ExactOptions

    def score(self, sample: Sample) -> float:
        return float(self._plain(sample.answer) == self._plain(sample.question.answer))

    def _plain(self, text: str) -> str:
        assert isinstance(self.options, ExactOptions)
        spaced = " ".join(text.split())
        return spaced.casefold() if self.options.ignore_case else spaced


@hookimpl
def register_rewards() -> list[type[Reward]]:
    return [ExactReward]
