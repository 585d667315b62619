"""Multiple choice out of questions with answers: the wrong ones are other questions' answers."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from blockwright.post_training.questions import Question
from blockwright.post_training.templates import conversation_tokens
from blockwright.post_training.thinking import CLOSING, OPENING, Mode, asked

if TYPE_CHECKING:
    from blockwright.evaluating.models import EvaluatedModel
    from blockwright.evaluating.tasks import ChoiceTask
    from blockwright.models.generation import Decoding

Tokens = list[int]


def options_of(questions: Sequence[Question], choices: int, answers: Sequence[str]) -> list[tuple[str, ...]]:
    """So many of the answers for each question, in an order that its place decides; the right one is among them once.

    Fewer where there are no more wrong ones.
    """
    return [_options(question, place, answers, choices) for place, question in enumerate(questions)]


def _options(question: Question, place: int, answers: Sequence[str], choices: int) -> tuple[str, ...]:
    draw = Random(f"{place}/{question.text}")
    others = [answer for answer in answers if answer != question.answer]
    wrong: list[str] = []
    for answer in draw.sample(others, len(others)):
        if len(wrong) == choices - 1:
            break
        if not question.is_answered_by(answer):
            wrong.append(answer)
    options = [question.answer, *wrong]
    return tuple(draw.sample(options, len(options)))


def prompts_of(
    evaluated: EvaluatedModel, task: ChoiceTask, mode: Mode, questions: Sequence[Question], decoding: Decoding
) -> list[tuple[Tokens, str]]:
    """What comes before the answer to each question, as tokens, and what was thought of that."""
    tokenizer = evaluated.tokenizer
    prompts = [conversation_tokens(tokenizer, asked(question.text, mode), ask=True) for question in questions]
    if mode == "off":
        return [(prompt, "") for prompt in prompts]
    thoughts = _thoughts(evaluated, prompts, decoding)
    encoded = (tokenizer(thought, add_special_tokens=False)["input_ids"] for thought in thoughts)
    return [([*prompt, *tokens], thought) for prompt, tokens, thought in zip(prompts, encoded, thoughts, strict=True)]


def _thoughts(evaluated: EvaluatedModel, prompts: Sequence[Tokens], decoding: Decoding) -> list[str]:
    """The think block that each reply begins with, closed where it goes on too long; nothing where it has none."""
    from blockwright.events import emit
    from blockwright.models.generation import end_tokens, generate
    from blockwright.post_training.answering import reply_text

    ends = end_tokens(evaluated.model, evaluated.tokenizer)

    def tell(done: int) -> None:
        emit("questions_thought_about", done=done, total=len(prompts), model=evaluated.name)

    written = generate(evaluated.model, prompts, decoding, ends, tell)
    return [closed_thought(reply_text(evaluated.tokenizer, tokens)) for tokens in written]


def closed_thought(reply: str) -> str:
    """`<think>…</think>` and the empty line after it, of a reply that begins with one, even if it never closes it."""
    if not reply.lstrip().startswith(OPENING):
        return ""
    thought = reply.partition(CLOSING)[0].rstrip()
    return f"{thought}\n{CLOSING}\n\n"


def scores_of(
    evaluated: EvaluatedModel, prompts: Sequence[Tokens], options: Sequence[tuple[str, ...]], batch_size: int
) -> list[list[float]]:
    """The log-likelihood of each option, in nats, with what ends a reply after it."""
    from blockwright.events import emit
    from blockwright.models.likelihood import log_likelihoods

    tokenizer = evaluated.tokenizer
    end = [tokenizer.eos_token_id] if isinstance(tokenizer.eos_token_id, int) else []
    pairs = [
        (prompt, [*tokenizer(option, add_special_tokens=False)["input_ids"], *end])
        for prompt, each in zip(prompts, options, strict=True)
        for option in each
    ]

    def tell(done: int) -> None:
        emit("choices_weighed", done=done, total=len(pairs), model=evaluated.name)

    found = iter(log_likelihoods(evaluated.model, pairs, batch_size, tell))
    return [[next(found).nats for _ in each] for each in options]
