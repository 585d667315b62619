"""Rewards: what a sampled reply is worth; the contract for plugins, and how a recipe names rewards and weighs them."""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

from blockwright.errors import UserError
from blockwright.post_training.questions import Question
from blockwright.post_training.thinking import Mode, final_answer


@dataclass(frozen=True)
class Sample:
    """One reply to one question.

    `mode` is what the toggle said, None where the prompt has no toggle. `reply` is the whole of it, think block
    included and end token left out; `tokens` counts them all. `ended` is false where the reply was cut at its longest.
    """

    question: Question
    mode: Mode | None
    reply: str
    tokens: int
    ended: bool = True

    @property
    def answer(self) -> str:
        """What comes after the think block."""
        return final_answer(self.reply)


class RewardOptions(BaseModel):
    """Base of a reward's section in the recipe. `weight`: what it is multiplied by before the rewards are summed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    weight: FiniteFloat = 1.0


class Reward(ABC):
    """What one reply is worth, by a rule; 1 is what was asked for and 0 is not. Made with its options."""

    name: ClassVar[str]
    Options: ClassVar[type[RewardOptions]] = RewardOptions

    def __init__(self, options: RewardOptions) -> None:
        self.options = options

    @abstractmethod
    def score(self, sample: Sample) -> float:
        """A finite number for any reply whatever, the same one every time; by custom from 0 to 1."""


class FunctionReward(Reward):
    """A function of a recipe's own, `package.module:function`, which takes a `Sample` and returns a number."""

    name = "function"

    def __init__(self, options: RewardOptions, function: Callable[[Sample], float]) -> None:
        super().__init__(options)
        self._function = function

    def score(self, sample: Sample) -> float:
        return float(self._function(sample))


class RewardChoice(BaseModel):
    """One entry of `rewards`: `exact`, `{format: {weight: 0.5}}` or `{my_package.rewards:brief: {weight: 0.1}}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    options: Mapping[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, data: object) -> object:
        if isinstance(data, str):
            return {"name": data}
        if isinstance(data, Mapping) and len(data) == 1 and "name" not in data:
            ((name, options),) = data.items()
            return {"name": name, "options": options or {}}
        return data

    @model_validator(mode="after")
    def _can_be_made(self) -> RewardChoice:
        try:
            self.make()
        except UserError as error:
            raise ValueError(str(error)) from None
        except ValidationError as error:
            raise ValueError("; ".join(_worded(self.name, error))) from None
        return self

    def make(self) -> Reward:
        """UserError where nothing has that name; pydantic's own error for its options."""
        if ":" in self.name:
            return FunctionReward(RewardOptions.model_validate(dict(self.options)), _imported(self.name))
        from blockwright.plugins import installed_plugins

        reward = installed_plugins().reward(self.name)
        return reward(reward.Options.model_validate(dict(self.options)))


@dataclass(frozen=True)
class Rewards:
    """The rewards of a stage, by the names that the recipe gives them; the first one says what a pass is."""

    by_name: Mapping[str, Reward]

    @classmethod
    def of(cls, choices: Sequence[RewardChoice]) -> Rewards:
        return cls({choice.name: choice.make() for choice in choices})

    @property
    def weights(self) -> list[float]:
        return [reward.options.weight for reward in self.by_name.values()]

    def scores(self, sample: Sample) -> dict[str, float]:
        return {name: reward.score(sample) for name, reward in self.by_name.items()}

    def total(self, scores: Mapping[str, float]) -> float:
        return sum(reward.options.weight * scores[name] for name, reward in self.by_name.items())

    def passed(self, scores: Mapping[str, float]) -> bool:
        return scores[next(iter(self.by_name))] >= 1.0


def _imported(name: str) -> Callable[[Sample], float]:
    module, _, function = name.partition(":")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise UserError(f"{name}: is a function of Python itself; give a package.module:function of your own")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{name}: {error}; give package.module:function, which must be importable") from None
    if not callable(found):
        raise UserError(f"{name} is no function")
    return found  # type: ignore[no-any-return]


def _worded(name: str, error: ValidationError) -> Iterator[str]:
    for mistake in error.errors():
        yield f"{name}.{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}".replace(".: ", ": ")
