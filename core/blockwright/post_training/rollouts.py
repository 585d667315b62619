"""Replies of a child to prompts, with what the rewards say of each, in a file that a killed run goes on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from blockwright.events import emit
from blockwright.post_training.answering import reply_text
from blockwright.post_training.prompts import Prompt
from blockwright.post_training.rewards import Rewards, Sample
from blockwright.post_training.templates import conversation_tokens
from blockwright.post_training.thinking import Mode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from blockwright.models.generation import Decoding


class Judged(BaseModel):
    """A reply, its length in tokens, and its score by each reward."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    reply: str
    tokens: int
    scores: dict[str, float]


class Replies(BaseModel):
    """All replies to one prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    prompt: Prompt
    replies: tuple[Judged, ...]

    def mean(self, value: Callable[[Judged], float]) -> float:
        return sum(map(value, self.replies)) / len(self.replies)

    def pass_rate(self, rewards: Rewards) -> float:
        return self.mean(lambda reply: float(rewards.passed(reply.scores)))


def judged_replies(
    child: Path, prompts: Sequence[Prompt], rewards: Rewards, decoding: Decoding, kept: Path, samples: int = 1
) -> list[Replies]:
    """`samples` replies to each prompt, in the order of the prompts; those in the file `kept` are not asked for again.

    `decoding.batch_size` replies are written at once. Each batch has its own seed, so that a run that goes on draws
    what an uninterrupted one does.
    """
    found = list(_read(kept, prompts))
    if len(found) == len(prompts):
        return found
    together = max(1, decoding.batch_size // samples)
    found = found[: len(found) // together * together]
    _rewrite(kept, found)
    answer = _answering(child, rewards, samples)
    with kept.open("a") as lines:
        for start in range(len(found), len(prompts), together):
            batch = answer(prompts[start : start + together], replace(decoding, seed=decoding.seed + start))
            lines.writelines(replies.model_dump_json() + "\n" for replies in batch)
            lines.flush()
            found += batch
            emit("prompts_answered", done=len(found), total=len(prompts), samples=samples)
    return found


def _answering(child: Path, rewards: Rewards, samples: int) -> Callable[[Sequence[Prompt], Decoding], list[Replies]]:
    from blockwright.models.generation import end_tokens, generate
    from blockwright.post_training.models import open_answering, open_tokenizer

    model, tokenizer = open_answering(child), open_tokenizer(child)
    ends = end_tokens(model, tokenizer)

    def answer(prompts: Sequence[Prompt], decoding: Decoding) -> list[Replies]:
        asked = [conversation_tokens(tokenizer, prompt.messages, ask=True) for prompt in prompts]
        written = generate(model, [tokens for tokens in asked for _ in range(samples)], decoding, ends)
        groups = [written[start : start + samples] for start in range(0, len(written), samples)]
        return [
            Replies(prompt=prompt, replies=tuple(_judged(prompt, tokens) for tokens in group))
            for prompt, group in zip(prompts, groups, strict=True)
        ]

    def _judged(prompt: Prompt, tokens: Sequence[int]) -> Judged:
        sample = sample_of(prompt, tokens, tokenizer, ends)
        return Judged(reply=sample.reply, tokens=sample.tokens, scores=rewards.scores(sample))

    return answer


def sample_of(
    prompt: Prompt, tokens: Sequence[int], tokenizer: PreTrainedTokenizerBase, ends: frozenset[int]
) -> Sample:
    """A reply as rewards see it."""
    ended = bool(tokens) and tokens[-1] in ends
    text = reply_text(tokenizer, tokens[:-1] if ended else tokens)
    return Sample(prompt.question, prompt.mode, text, len(tokens), ended)


def means(replies: Sequence[Replies], rewards: Rewards, mode: Mode) -> dict[str, float]:
    """The mean of each reward over the prompts of a mode, and the mean length in tokens; empty without such prompts."""
    asked = [each for each in replies if each.prompt.mode == mode]
    if not asked:
        return {}
    found = {name: _mean([reply.scores[name] for each in asked for reply in each.replies]) for name in rewards.by_name}
    return {**found, "tokens a reply": _mean([reply.tokens for each in asked for reply in each.replies])}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _read(kept: Path, prompts: Sequence[Prompt]) -> Iterator[Replies]:
    """What is whole in the file; a kill can cut its last line."""
    lines = kept.read_text().splitlines() if kept.exists() else []
    for line, prompt in zip(lines, prompts, strict=False):
        try:
            replies = Replies.model_validate(json.loads(line))
        except (ValueError, ValidationError):
            return
        if replies.prompt != prompt:
            return
        yield replies


def _rewrite(kept: Path, found: Sequence[Replies]) -> None:
    from blockwright.files import write_atomically

    with write_atomically(kept, grows=True) as beside:
        beside.write_text("".join(replies.model_dump_json() + "\n" for replies in found))
