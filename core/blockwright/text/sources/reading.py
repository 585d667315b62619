"""What every source of text is read with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeVar

from blockwright.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

T = TypeVar("T")
FIELDS = ("text", "messages")
Message = Mapping[str, object]


class Conversation(str):
    """Messages as the chat template writes them, and as they were."""

    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Reading:
    """The order of the documents, and the tokenizer whose chat template turns messages into text."""

    random: Random
    tokenizer: PreTrainedTokenizerBase

    def shuffled(self, items: list[T]) -> list[T]:
        return self.random.sample(items, len(items))

    def text_of(self, record: object, where: str, field: str | None = None) -> str:
        """A record's text, or its messages through the chat template; `field` names where they are."""
        fields = record if isinstance(record, Mapping) else {}
        text, messages = (fields.get(name) for name in (FIELDS if field is None else (field, field)))
        if isinstance(text, str):
            return text
        if isinstance(messages, list):
            return self._conversation(messages, where)
        wanted = "`text` or `messages`" if field is None else f"text or messages in `{field}`"
        raise UserError(f"{where}: a record needs {wanted}, this one has {', '.join(fields) or 'no fields'}")

    def _conversation(self, messages: list[Message], where: str) -> Conversation:
        if not self.tokenizer.chat_template:
            raise UserError(f"{where}: holds messages, but the parent's tokenizer has no chat template; use `text`")
        text = Conversation(self.tokenizer.apply_chat_template(messages, tokenize=False))  # type: ignore[arg-type]
        text.messages = tuple(messages)
        return text
