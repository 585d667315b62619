"""What every reward must do. A rule takes a reward; AssertionError says in a sentence what it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from blockwright.post_training.questions import Question
from blockwright.post_training.rewards import Reward, Sample
from blockwright.post_training.thinking import MODES, thought_reply

REPLIES = (
    "",
    "4",
    thought_reply("2 + 2 = 4", "4"),
    "<think>\n2 + 2",
    "</think></think>4<think>",
    "\\frac{1}{0} $$ \\boxed{",
    '{"answer": [4',
    "ein Überfluß 数 \u0000 🙂 " * 40,
)


def reward_is_a_finite_number(reward: Reward) -> None:
    """For any reply at all: empty ones, ones that were cut, ones that are no text that anybody would write."""
    for sample in samples():
        score = reward.score(sample)
        assert isinstance(score, int | float) and math.isfinite(score), (
            f"{_title(reward)} gave {score!r} for {sample.reply[:40]!r}, which is no finite number"
        )


def reward_is_the_same_every_time(reward: Reward) -> None:
    """A training that goes on after a kill asks again."""
    for sample in samples():
        first, second = reward.score(sample), reward.score(sample)
        assert first == second, f"{_title(reward)} gave {first} and then {second} for {sample.reply[:40]!r}"


def samples() -> Iterator[Sample]:
    """Replies to one question, in all modes."""
    question = Question(text="What is 2 + 2?", answer="4")
    for mode in (*MODES, None):
        for reply in REPLIES:
            yield Sample(question, mode, reply, tokens=len(reply.split()), ended=bool(reply))


REWARD_CONTRACT: tuple[Callable[[Reward], None], ...] = (reward_is_a_finite_number, reward_is_the_same_every_time)


def _title(reward: Reward) -> str:
    return f"reward '{reward.name}'"
