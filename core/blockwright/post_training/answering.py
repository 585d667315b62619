"""How a child answers questions with thinking on and off: what is well formed, what is right, and samples to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from blockwright.events import emit
from blockwright.files import write_json
from blockwright.post_training.questions import Question
from blockwright.post_training.templates import conversation_tokens
from blockwright.post_training.thinking import MODES, Mode, asked, final_answer, has_tags, is_well_formed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from blockwright.models.generation import Decoding


class Reply(BaseModel):
    """One reply to one question, and whether its final answer is right."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    question: str
    answer: str
    mode: Mode
    reply: str
    right: bool


class Answers(BaseModel):
    """All replies of one child, in both modes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    replies: tuple[Reply, ...]

    def of(self, mode: Mode) -> list[Reply]:
        return [reply for reply in self.replies if reply.mode == mode]

    def accuracy(self, mode: Mode) -> float:
        return _share([reply.right for reply in self.of(mode)])

    def well_formed(self, mode: Mode) -> float:
        """The share of replies with a think block that is well formed."""
        return _share([is_well_formed(reply.reply) for reply in self.of(mode)])

    def tagged(self, mode: Mode) -> float:
        """The share with any piece of a think block."""
        return _share([has_tags(reply.reply) for reply in self.of(mode)])


def answers(child: Path, template: str, questions: Sequence[Question], decoding: Decoding, kept: Path) -> Answers:
    """The child's answers to all questions in both modes, or those in the file `kept`, where they are written."""
    if kept.exists():
        return Answers.model_validate(json.loads(kept.read_text()))
    found = Answers(replies=tuple(reply for mode in MODES for reply in _in(mode, child, template, questions, decoding)))
    write_json(kept, found.model_dump(mode="json"))
    return found


def _in(mode: Mode, child: Path, template: str, questions: Sequence[Question], decoding: Decoding) -> list[Reply]:
    from blockwright.post_training.models import open_answering, open_tokenizer

    model, tokenizer = open_answering(child), open_tokenizer(child)
    tokenizer.chat_template = template
    return replies(model, tokenizer, mode, questions, decoding)


def replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    mode: Mode,
    questions: Sequence[Question],
    decoding: Decoding,
) -> list[Reply]:
    """To all questions, under the tokenizer's chat template, each judged by its final answer."""
    from blockwright.models.generation import end_tokens, generate

    prompts = [conversation_tokens(tokenizer, asked(question.text, mode), ask=True) for question in questions]
    ends = end_tokens(model, tokenizer)
    written = generate(model, prompts, decoding, ends, lambda done: _tell(mode, done, len(prompts)))
    texts = [reply_text(tokenizer, tokens) for tokens in written]
    return [_judged(question, mode, text) for question, text in zip(questions, texts, strict=True)]


def reply_text(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    """Without the end token, and with think tags where a tokenizer has made special tokens of them."""
    ends = {tokenizer.eos_token, tokenizer.pad_token, tokenizer.bos_token}
    text = str(tokenizer.decode(list(tokens), skip_special_tokens=False))
    for end in ends - {None}:
        text = text.replace(str(end), "")
    return text


def _judged(question: Question, mode: Mode, text: str) -> Reply:
    right = question.is_answered_by(final_answer(text))
    return Reply(question=question.text, answer=question.answer, mode=mode, reply=text, right=right)


def _tell(mode: Mode, done: int, total: int) -> None:
    emit("questions_answered", done=done, total=total, thinking=mode)


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
