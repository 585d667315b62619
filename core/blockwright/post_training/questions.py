"""Questions whose answers can be checked, from reasoning-gym's generators: as many as are asked for, none twice."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator

from blockwright.errors import UserError, did_you_mean
from blockwright.post_training.settings import INSTALL, missing_modules

Part = Literal["training", "heldout", "evaluation"]
DRAWS = 50  # a question that is wanted, before the generator is taken to have no more


class GeneratorSource(BaseModel):
    """A generator of reasoning-gym by its name, its own `config`, and how many questions of it (`count`) are drawn.

    `seed` gives other questions; held-out ones never share it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    generator: str
    config: Mapping[str, Any] = {}
    count: PositiveInt = 1000
    seed: int = 0

    @model_validator(mode="after")
    def _can_be_made(self) -> GeneratorSource:
        if missing_modules(("reasoning_gym",)):
            raise ValueError(f"reasoning_gym not installed; {INSTALL}")
        known = importlib.import_module("reasoning_gym.factory").DATASETS
        if self.generator not in known:
            raise ValueError(f"reasoning-gym has no generator '{self.generator}'{did_you_mean(self.generator, known)}")
        try:
            _dataset(self.generator, 0, self.config)
        except (TypeError, AssertionError, ValueError) as error:
            raise ValueError(f"config: {' '.join(str(error).split())}") from None
        return self


class Question(BaseModel):
    """One question and its answer; generator, seed and index say how it was made, and so how it is scored.

    `extra` is what a line of a file says beside them, for rewards that ask for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    text: str
    answer: str
    generator: str | None = None
    config: Mapping[str, Any] = {}
    seed: int = 0
    index: int = 0
    extra: Mapping[str, Any] = {}

    def entry(self) -> dict[str, Any]:
        """What the generator has of it: question, answer and metadata."""
        found: dict[str, Any] = _kept(self.generator or "", self.seed, _frozen(self.config))[self.index]
        return found

    def score(self, answer: str) -> float:
        """The generator's own, from 0 to 1; without one, whether the answer is the same but for space and case."""
        if self.generator is None:
            return float(_plain(answer) == _plain(self.answer))
        scorer = _kept(self.generator, self.seed, _frozen(self.config))
        return float(scorer.score_answer(answer, self.entry()))

    def is_answered_by(self, answer: str) -> bool:
        return self.score(answer) >= 1.0


def draw(
    source: GeneratorSource,
    part: Part,
    count: int,
    unwanted: Collection[str] = (),
    is_good: Callable[[Question], bool] = lambda question: True,
) -> list[Question]:
    """So many different good questions, none of which is in `unwanted`; the same ones every time."""
    seed = _seed(source, part)
    made, seen, drawn = _dataset(source.generator, seed, source.config), set(unwanted), list[Question]()
    for index in range(count * DRAWS):
        entry = made[index]
        if entry["question"] not in seen:
            seen.add(entry["question"])
            question = _question(source, seed, index, entry)
            drawn += [question] if is_good(question) else []
        if len(drawn) == count:
            return drawn
    raise UserError(
        f"stages: {source.generator} gives {len(drawn)} different questions of this kind beside the held-out ones, "
        f"not {count}; lower the counts or widen its config"
    )


def _question(source: GeneratorSource, seed: int, index: int, entry: Mapping[str, Any]) -> Question:
    return Question(
        text=entry["question"],
        answer=str(entry["answer"]),
        generator=source.generator,
        config=source.config,
        seed=seed,
        index=index,
    )


def _seed(source: GeneratorSource, part: Part) -> int:
    """Far from that of any other part and seed: generators use the seed plus the index."""
    digest = hashlib.sha256(f"{source.generator}/{source.seed}/{part}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def _dataset(generator: str, seed: int, config: Mapping[str, Any]) -> Any:
    gym = importlib.import_module("reasoning_gym")
    return gym.create_dataset(generator, seed=seed, size=2**31, **config)


def _frozen(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True, default=list)


@cache
def _kept(generator: str, seed: int, config: str) -> Any:
    return _dataset(generator, seed, json.loads(config))


def _plain(answer: str) -> str:
    return " ".join(answer.casefold().split())
