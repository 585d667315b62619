"""What a model is to go on from: texts to continue, messages to answer, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, repeat
from random import Random
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.text.generating.settings import SamplingSettings
from blockwright.text.sources import documents
from blockwright.text.sources.reading import Conversation, Message, Reading

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Prompt:
    """Tokens to go on from, and the messages that they are of, if they are."""

    tokens: list[int]
    messages: tuple[Message, ...] | None = None


def prompts(settings: SamplingSettings, tokenizer: PreTrainedTokenizerBase, longest: int) -> Iterator[Prompt]:
    """Without end: a source that is through is read again in another order; what is longer than `longest` is left out.

    UserError where the source has nothing that can be used.
    """
    if settings.prompts is None:
        yield from repeat(Prompt(_start(tokenizer)))
        return
    for again in count():
        used = 0
        reading = Reading(Random(f"{settings.seed}/prompts/{settings.prompts}/{again}"), tokenizer)
        for document in documents(settings.prompts, reading):
            prompt = _prompt(document, tokenizer, settings)
            if 0 < len(prompt.tokens) <= longest:
                used += 1
                yield prompt
        if not used:
            raise UserError(f"text: the source '{settings.prompts}' holds no prompt of at most {longest} tokens")


def _start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The token that begins a document; of a tokenizer that has none, the one that ends the document before."""
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if isinstance(token, int):
            return [token]
    raise UserError("text: the tokenizer has no token that begins or ends a text; name --prompts to start from")


def _prompt(document: str, tokenizer: PreTrainedTokenizerBase, settings: SamplingSettings) -> Prompt:
    if not isinstance(document, Conversation):
        return Prompt(list(tokenizer(document, verbose=False)["input_ids"])[: settings.prompt_tokens])
    messages = document.messages
    while messages and messages[-1].get("role") == "assistant":  # its answer is what is asked for
        messages = messages[:-1]
    if not messages:
        return Prompt([])
    written = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)  # type: ignore[arg-type]
    return Prompt(list(tokenizer(str(written), add_special_tokens=False, verbose=False)["input_ids"]), messages)
