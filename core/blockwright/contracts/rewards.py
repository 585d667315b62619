"""What every reward must do. A rule takes a reward and gives it replies of all sorts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from blockwright.contracts.holding import must
from blockwright.post_training.questions import Question
from blockwright.post_training.rewards import Reward, Sample
from blockwright.post_training.thinking import Mode

REPLIES = (
    "",
    "42",
    "<think>six times seven</think>42",
    "<think>never ends",
    "</think>",
    "<think></think>",
    "\n \t ",
    "\\boxed{42}",
    "4" * 5000,
    "ответ: 42 🙂 \x00",
    "{]([$",
)
MODES: tuple[Mode | None, ...] = (None, "on", "off")


def reward_is_a_number_for_any_reply(reward: Reward) -> None:
    """Finite, whatever a model may say."""
    for sample in _samples():
        score = reward.score(sample)
        sound = isinstance(score, int | float) and math.isfinite(score)
        must(sound, reward.name, f"gave {score!r} for {sample.reply[:40]!r}")


def reward_is_the_same_every_time(reward: Reward) -> None:
    """It depends on the sample and on its options alone, and not on the order."""
    samples = list(_samples())
    for sample in samples:
        first, again = reward.score(sample), reward.score(sample)
        must(first == again, reward.name, f"gave {first!r} and then {again!r} for {sample.reply[:40]!r}")
    forwards = [reward.score(sample) for sample in samples]
    backwards = [reward.score(sample) for sample in reversed(samples)][::-1]
    must(forwards == backwards, reward.name, "gave other numbers when it was asked in another order")


def reward_leaves_its_question_as_it_is(reward: Reward) -> None:
    """A sample is a value."""
    for sample in _samples():
        before = sample.question.model_dump_json()
        reward.score(sample)
        must(sample.question.model_dump_json() == before, reward.name, "changed the question that it was given")


def _samples() -> Iterator[Sample]:
    question = Question(text="What is 6 times 7?", answer="42")
    for mode in MODES:
        for reply in REPLIES:
            yield Sample(question, mode, reply, tokens=len(reply), ended=bool(reply))


REWARD_CONTRACT: tuple[Callable[[Reward], None], ...] = (
    reward_is_a_number_for_any_reply,
    reward_is_the_same_every_time,
    reward_leaves_its_question_as_it_is,
)
"""All rules, to parametrize over."""
