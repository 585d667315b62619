from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from pydantic import BaseModel, ValidationError

from blockwright.contracts.rewards import REWARD_CONTRACT
from blockwright.plugins import Plugins
from blockwright.post_training.questions import GeneratorSource, Question, draw
from blockwright.post_training.rewards import Reward, RewardChoice, Rewards, Sample
from blockwright.post_training.thinking import Mode, thought_reply

BUILT_IN = ("constraints", "exact", "format", "length", "math-verify", "reasoning-gym")
FOUR = Question(text="2 + 2?", answer="4")


class Stage(BaseModel):
    rewards: tuple[RewardChoice, ...]


def reward(name: str, **options: object) -> Reward:
    return RewardChoice(name=name, options=options).make()


def score(made: Reward, reply: str, question: Question = FOUR, mode: Mode | None = "off", tokens: int = 1) -> float:
    return made.score(Sample(question, mode, reply, tokens))


def brevity(sample: Sample) -> float:
    return 1 / len(sample.reply)


@pytest.mark.parametrize("rule", REWARD_CONTRACT, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_reward_keeps_the_contract(name: str, rule: Callable[[Reward], None]) -> None:
    rule(reward(name))


def test_the_contract_finds_rewards_that_are_no_numbers_or_change(plugins: Plugins) -> None:
    class NoNumber(plugins.reward("exact")):  # type: ignore[misc]
        def score(self, sample: Sample) -> float:
            return math.nan

    class Changing(plugins.reward("exact")):  # type: ignore[misc]
        asked = 0

        def score(self, sample: Sample) -> float:
            self.asked += 1
            return self.asked

    with pytest.raises(AssertionError, match="gave nan for ''"):
        REWARD_CONTRACT[0](NoNumber(NoNumber.Options()))
    with pytest.raises(AssertionError, match="gave 1 and then 2"):
        REWARD_CONTRACT[1](Changing(Changing.Options()))


def test_exact_looks_at_what_comes_after_the_think_block() -> None:
    assert score(reward("exact"), thought_reply("2 + 2 = 5", " 4\n")) == 1
    assert score(reward("exact"), thought_reply("4", "5")) == 0
    assert score(reward("exact"), "<think>\n4") == 0
    assert score(reward("exact", ignore_case=False), "Yes", Question(text="", answer="yes")) == 0


def test_math_verify_takes_any_way_of_writing_a_value() -> None:
    half = Question(text="", answer="1/2")
    assert score(reward("math-verify"), "The answer is $\\boxed{0.5}$.", half) == 1
    assert score(reward("math-verify"), "\\frac{1}{3}", half) == 0


def test_reasoning_gym_scores_as_the_generator_does() -> None:
    (question,) = draw(GeneratorSource(generator="chain_sum", count=1), "training", 1)
    assert score(reward("reasoning-gym"), question.answer, question) == 1
    wrong = f"{question.answer}, or so"
    assert score(reward("reasoning-gym"), wrong, question) == question.score(wrong)
    assert score(reward("reasoning-gym", whole=True), "I do not know", question) == 0


@pytest.mark.parametrize(
    ("mode", "reply", "expected"),
    [
        ("on", thought_reply("two and two", "4"), 1),
        ("on", "4", 0),
        ("on", "<think>\ntwo and two", 0),
        ("off", "4", 1),
        ("off", thought_reply("two and two", "4"), 0),
        (None, "4", 1),
    ],
)
def test_format_must_match_the_toggle(mode: Mode | None, reply: str, expected: float) -> None:
    assert score(reward("format"), reply, mode=mode) == expected


def test_length_falls_in_a_straight_line() -> None:
    made = reward("length", free=10, most=30)
    assert [score(made, "", tokens=tokens) for tokens in (5, 10, 20, 30, 50)] == [1, 1, 0.5, 0, 0]


def test_rewards_are_weighed_and_the_first_says_what_a_pass_is() -> None:
    stage = Stage.model_validate({"rewards": ["exact", {"format": {"weight": 0.5}}, {f"{__name__}:brevity": None}]})
    rewards = Rewards.of(stage.rewards)
    scores = rewards.scores(Sample(FOUR, "on", "4", 1))
    assert scores == {"exact": 1.0, "format": 0.0, f"{__name__}:brevity": 1.0}
    assert rewards.total(scores) == 2.0
    assert rewards.weights == [1.0, 0.5, 1.0]
    assert rewards.passed(scores)
    assert not rewards.passed({**scores, "exact": 0.9})


def test_a_choice_survives_the_way_through_a_job_file() -> None:
    choice = RewardChoice.model_validate({"length": {"most": 9}})
    assert RewardChoice.model_validate_json(choice.model_dump_json()) == choice


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("exakt", "no reward is called 'exakt', did you mean 'exact'?"),
        ({"length": {"free": 9, "most": 9}}, "length: Value error, free (9) must be below most (9)"),
        ({"exact": {"wieght": 1}}, "exact.wieght: Extra inputs are not permitted"),
        ("no_such_module:reward", "No module named 'no_such_module'; give package.module:function"),
        ("torch:__version__", "torch:__version__ is no function"),
        ("math:sqrt", "math:sqrt: is a function of Python itself"),
    ],
)
def test_a_reward_that_cannot_be_made_is_a_mistake_that_says_why(entry: object, expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Stage.model_validate({"rewards": [entry]})
    assert expected in str(caught.value)
