"""A conversation with a child: what was said, the thinking toggle, and replies as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.post_training.thinking import CLOSING, OPENING, Message, Mode, final_answer, toggle

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from blockwright.models.generation import Decoding

UNFINISHED = "\ufffd"  # what a tokenizer makes of the first bytes of a character


@dataclass(frozen=True)
class ChatSettings:
    """How to talk: `think` asks for a think block or for none; None leaves that to the child's own template.

    A temperature of None samples as Llama-Nemotron does (arXiv 2505.00949, section 5: 0.6 with thinking, greedy
    without). `template` is `chatml` or a Jinja file, for children whose tokenizer has none.
    """

    think: Mode | None = None
    system: str = ""
    template: str | None = None
    max_tokens: int = 1024
    temperature: float | None = None
    top_p: float = 0.95
    seed: int = 0

    @property
    def decoding(self) -> Decoding:
        from blockwright.models.generation import Decoding

        usual = 0.6 if self.think == "on" else 0.0
        return Decoding(
            max_tokens=self.max_tokens,
            temperature=usual if self.temperature is None else self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )

    @property
    def opening(self) -> list[Message]:
        """The system message, where there is something to say in it."""
        told = [*([toggle(self.think)] if self.think else []), *([self.system] if self.system else [])]
        return [{"role": "system", "content": "\n\n".join(told)}] if told else []


class Conversation:
    """Holds the child and all that was said; `reply` adds to it."""

    def __init__(self, child: Path, settings: ChatSettings) -> None:
        """Opens the child; UserError for a folder that holds none, and for one that knows no conversations."""
        from blockwright.child.config_reading import child_config_of
        from blockwright.models.generation import end_tokens
        from blockwright.post_training.models import open_answering, open_tokenizer

        child_config_of(child)
        self.settings, self.messages = settings, settings.opening
        self.tokenizer = open_tokenizer(child)
        self._template = _template(child, self.tokenizer, settings.template)
        self.model: PreTrainedModel = open_answering(child)
        self._ends = end_tokens(self.model, self.tokenizer)

    def reply(self, said: str) -> Iterator[str]:
        """The child's answer, piece by piece; one that is left off is kept as far as it came.

        Of earlier replies only what follows the think block is said again. UserError where the child's context is full.
        """
        from blockwright.models.generation import stream
        from blockwright.post_training.answering import reply_text

        asked: list[Message] = [*self.messages, {"role": "user", "content": said}]
        asked, prompt = self._fitting(asked)
        room = self.model.config.max_position_embeddings - len(prompt)
        decoding = replace(self.settings.decoding, max_tokens=min(room, self.settings.max_tokens))
        written: list[int] = []
        told = ""
        try:
            for token in stream(self.model, prompt, decoding, self._ends):
                written.append(token)
                text = reply_text(self.tokenizer, written)
                if text.startswith(told) and not text.endswith(UNFINISHED):
                    yield text[len(told) :]
                    told = text
        finally:
            self.messages = [*asked, {"role": "assistant", "content": final_answer(told) or told}]

    def prompt(self, messages: list[Message]) -> list[int]:
        """As the child reads it."""
        from jinja2 import TemplateError

        from blockwright.post_training.templates import conversation_tokens

        try:
            return conversation_tokens(self.tokenizer, messages, self._template, ask=True)
        except TemplateError as error:
            raise UserError(f"the child's chat template does not take this conversation: {error}") from None

    def _fitting(self, messages: list[Message]) -> tuple[list[Message], list[int]]:
        """Without the oldest turns where all do not leave half of the context for an answer."""
        positions: int = self.model.config.max_position_embeddings
        opening = self.settings.opening
        turns, prompt = messages[len(opening) :], self.prompt(messages)
        while len(prompt) > positions // 2 and len(turns) > 2:
            turns = turns[2:]
            prompt = self.prompt([*opening, *turns])
        if len(prompt) >= positions:
            raise UserError(f"that is {len(prompt)} tokens; the child's context is {positions}, so say less")
        return [*opening, *turns], prompt


def is_thinking(text: str) -> bool:
    """Whether a reply, as far as it is written, is inside its think block."""
    return OPENING in text and CLOSING not in text


def _template(child: Path, tokenizer: PreTrainedTokenizerBase, chosen: str | None) -> str | None:
    """None for the tokenizer's own."""
    from blockwright.post_training.templates import thinking_template

    if chosen is not None:
        try:
            return thinking_template(tokenizer, "parent", chosen).text
        except UserError as error:
            raise UserError(*(line.replace("stages:", "--template:", 1) for line in error.lines)) from None
    if tokenizer.chat_template is None:
        raise UserError(
            f"{child}: its tokenizer has no chat template; add --template chatml (or a Jinja file), "
            "or teach it to talk with the stage reasoning-sft"
        )
    return None
