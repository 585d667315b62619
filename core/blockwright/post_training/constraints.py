"""Instructions whose following can be checked: a task in words, and constraints on how the answer is written.

In the manner of IFEval (arXiv 2311.07911), with tasks, words and rules of our own.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator

from blockwright.errors import UserError, did_you_mean
from blockwright.post_training.questions import Part, Question

Value = int | str | tuple[str, ...] | None
DRAWS = 50  # an instruction that is wanted, before there are taken to be no more


@dataclass(frozen=True)
class Rule:
    """One kind of constraint: how it is said, whether an answer keeps it, and a value to ask for.

    `clashes` are rules that cannot be kept along with it.
    """

    says: Callable[[Any], str]
    kept: Callable[[str, Any], bool]
    draw: Callable[[random.Random], Value] = lambda chance: None
    clashes: tuple[str, ...] = ()


class Constraint(BaseModel):
    """A rule by its name and what it asks for: a number, a word, keys, or nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rule: str
    value: Value = None

    @model_validator(mode="after")
    def _is_known(self) -> Constraint:
        if self.rule not in RULES:
            raise ValueError(f"no constraint is called '{self.rule}'{did_you_mean(self.rule, RULES)}")
        try:
            self.is_kept_by("")
        except (TypeError, ValueError, AttributeError):
            raise ValueError(f"{self.rule}: {self.value!r} is nothing that it can ask for") from None
        return self

    @property
    def text(self) -> str:
        return RULES[self.rule].says(self.value)

    def is_kept_by(self, answer: str) -> bool:
        return RULES[self.rule].kept(answer, self.value)


class InstructionSource(BaseModel):
    """`count` instructions of one to `most` constraints each; another `seed` gives others, held-out ones never it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    count: PositiveInt = 500
    most: PositiveInt = 2
    seed: int = 0


def constraints_of(question: Question) -> tuple[Constraint, ...]:
    return tuple(Constraint.model_validate(each) for each in question.extra.get("constraints", ()))


def share_kept(question: Question, answer: str) -> float:
    """The share of its constraints that an answer keeps; an empty one, which breaks few rules, has kept none."""
    if not answer.strip():
        return 0.0
    asked = constraints_of(question)
    return sum(each.is_kept_by(answer) for each in asked) / len(asked) if asked else 1.0


def draw_instructions(
    source: InstructionSource, part: Part, wanted: int, unwanted: Collection[str] = ()
) -> list[Question]:
    """So many different instructions, none of which is in `unwanted`; the same ones every time."""
    chance, seen, drawn = random.Random(f"{source.seed}/{part}"), set(unwanted), list[Question]()
    for attempt in count():
        if len(drawn) == wanted:
            return drawn
        if attempt >= wanted * DRAWS:
            break
        question = _instruction(chance, source.most)
        if question.text not in seen:
            seen.add(question.text)
            drawn.append(question)
    raise UserError(f"stages: there are {len(drawn)} different instructions of up to {source.most}, not {wanted}")


def _instruction(chance: random.Random, most: int) -> Question:
    chosen: list[str] = []
    for name in chance.sample(sorted(RULES), len(RULES)):
        if not any(_clash(name, other) for other in chosen):
            chosen.append(name)
    constraints = [Constraint(rule=name, value=RULES[name].draw(chance)) for name in chosen[: chance.randint(1, most)]]
    text = " ".join((chance.choice(TASKS), *(constraint.text for constraint in constraints)))
    return Question(
        text=text,
        answer="",
        extra={"constraints": [constraint.model_dump(mode="json") for constraint in constraints]},
    )


def _clash(one: str, other: str) -> bool:
    return one in RULES[other].clashes or other in RULES[one].clashes


def _words(answer: str) -> Sequence[str]:
    return re.findall(r"\w+(?:[-'’]\w+)*", answer)


def _has_word(answer: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", answer, re.IGNORECASE) is not None


def _bullets(answer: str) -> int:
    """-1 where a line is none."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    return len(lines) if all(re.match(r"[-*•] \S", line) for line in lines) else -1


def _has_keys(answer: str, keys: Sequence[str]) -> bool:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and set(found) == set(keys)


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


TASKS = tuple(
    f"{verb} {thing}."
    for verb in ("Describe", "Say what you know about", "Tell a friend about", "Explain to a child what is good about")
    for thing in (
        "a lighthouse", "the moon", "a bicycle", "fresh bread", "a river in spring", "the colour green", "snow",
        "an old library", "a train journey", "a garden", "a violin", "the sea", "a busy market", "a clock", "honey",
    )
)  # fmt: skip
WORDS = ("light", "water", "time", "small", "people", "morning", "sound", "hand", "old", "warm")
KEYS = ("name", "place", "size", "use", "colour", "age")

RULES: Mapping[str, Rule] = {
    "words-at-most": Rule(
        lambda number: f"Use at most {number} words.",
        lambda answer, number: len(_words(answer)) <= number,
        lambda chance: chance.choice((10, 15, 20, 30)),
        ("words-at-least", "bullets", "json"),
    ),
    "words-at-least": Rule(
        lambda number: f"Use at least {number} words.",
        lambda answer, number: len(_words(answer)) >= number,
        lambda chance: chance.choice((15, 20, 30, 40)),
        ("json",),
    ),
    "include": Rule(
        lambda word: f'Use the word "{word}".',
        lambda answer, word: _has_word(answer, word),
        lambda chance: chance.choice(WORDS),
        ("exclude",),
    ),
    "exclude": Rule(
        lambda word: f'Do not use the word "{word}".',
        lambda answer, word: not _has_word(answer, word),
        lambda chance: chance.choice(("the", "is", "and", "of")),
    ),
    "lowercase": Rule(
        lambda nothing: "Write in lowercase letters only.",
        lambda answer, nothing: answer == answer.lower(),
        clashes=("uppercase",),
    ),
    "uppercase": Rule(
        lambda nothing: "WRITE IN CAPITAL LETTERS ONLY.",
        lambda answer, nothing: answer == answer.upper(),
        clashes=("json",),
    ),
    "no-commas": Rule(lambda nothing: "Use no commas.", lambda answer, nothing: "," not in answer, clashes=("json",)),
    "bullets": Rule(
        lambda number: f'Answer with {number} bullet points alone, each on a line that starts with "- ".',
        lambda answer, number: _bullets(answer) == int(number),
        lambda chance: chance.choice((2, 3, 4)),
        ("json", "ends-with"),
    ),
    "json": Rule(
        lambda keys: f"Answer with a JSON object alone, whose keys are {_listed(keys)}.",
        lambda answer, keys: _has_keys(answer, tuple(keys)),
        lambda chance: tuple(chance.sample(KEYS, 2)),
        ("ends-with", "exclude"),
    ),
    "ends-with": Rule(
        lambda words: f'End with the words "{words}"',
        lambda answer, words: answer.rstrip(" \n.!").lower().endswith(words.lower()),
        lambda chance: chance.choice(("that is all", "good night", "so it goes")),
    ),
}
