"""Chat templates with the thinking toggle, and marks around what the assistant says, so that only that is learned.

The template of the parent is kept whole inside the new one and renders every conversation; what is new only says which
part of the text is the assistant's, its end token included, and puts the toggle into the system message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from jinja2 import TemplateError

from blockwright.errors import UserError
from blockwright.post_training.thinking import Message, asked, thought_reply

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DefaultMode = Literal["parent", "on", "off"]
CHATML = "chatml"
IM_END = "<|im_end|>"
SHIPPED = Path(__file__).with_name("templates")
_MARKS = re.compile(r"\{%[-+]?\s*(end)?generation\s*[-+]?%\}")


@dataclass(frozen=True)
class ChatTemplate:
    """A template to train and to answer with, and the tokens that end the assistant's part."""

    text: str
    end_token: int


def thinking_template(
    tokenizer: PreTrainedTokenizerBase, default: DefaultMode = "parent", chosen: str | None = None
) -> ChatTemplate:
    """The tokenizer's template, or the one that is `chosen` in its place (`chatml`, or a file), with toggle and marks.

    `default`: the mode of a conversation whose system message says none; with `parent` such a conversation is rendered
    as the parent's own template does. UserError for a template that cannot be trained with.
    """
    of_parent = _original(tokenizer, chosen)
    text = with_toggle(of_parent, default)
    return ChatTemplate(text, _checked_end_token(tokenizer, text))


def with_toggle(of_parent: str, default: DefaultMode) -> str:
    """Any template, whose own marks (which may leave out the end token) go."""
    if "of_parent(messages, add_generation_prompt)" in of_parent:  # it is one of ours: only its default changes
        return re.sub(r"set blockwright_default = '\w*'", f"set blockwright_default = '{default}'", of_parent)
    plain = _MARKS.sub("", of_parent).removesuffix("\n")
    frame = (SHIPPED / "thinking.jinja").read_text().removesuffix("\n")
    return frame.replace("DEFAULT_MODE", default).replace("TEMPLATE_OF_THE_PARENT", plain)


def _original(tokenizer: PreTrainedTokenizerBase, chosen: str | None) -> str:
    if chosen == CHATML:
        end = IM_END if IM_END in tokenizer.get_vocab() else str(tokenizer.eos_token)
        return (SHIPPED / "chatml.jinja").read_text().replace("END_TOKEN", end)
    if chosen is not None:
        if not Path(chosen).is_file():
            raise UserError(f"stages: chat_template: no file '{chosen}'; name a Jinja file, or {CHATML}")
        return Path(chosen).read_text()
    found = tokenizer.chat_template
    found = found.get("default") if isinstance(found, dict) else found
    if found is None:
        raise UserError(
            f"stages: the child's tokenizer has no chat template; set chat_template to {CHATML} or to a file"
        )
    return str(found)


def _checked_end_token(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    """The last token of the assistant's part, which must be one that ends generation rather than a piece of text."""
    reply = thought_reply("1 + 1 = 2", "2")
    rendered, learned = learned_tokens(
        tokenizer, text, [*asked("1 + 1?", "on"), {"role": "assistant", "content": reply}]
    )
    if reply not in rendered:
        raise UserError(
            "stages: the chat template changes what the assistant has thought; "
            f"set chat_template to {CHATML} or to a file"
        )
    if not learned or learned[-1] not in tokenizer.all_special_ids + list(tokenizer.added_tokens_decoder):
        raise UserError(
            "stages: the chat template gives no end token to what the assistant says, or says earlier turns anew with "
            f"each new one; set chat_template to {CHATML} or to a file"
        )
    return learned[-1]


def learned_tokens(
    tokenizer: PreTrainedTokenizerBase, template: str, messages: Sequence[Message]
) -> tuple[str, list[int]]:
    """The conversation as text, and those of its tokens that are marked as the assistant's."""
    conversation = [dict(message) for message in messages]
    try:
        text = tokenizer.apply_chat_template(conversation, chat_template=template, tokenize=False)
        encoded = tokenizer.apply_chat_template(
            conversation, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
    except TemplateError as error:
        raise UserError(f"stages: the chat template does not render a conversation: {error}") from None
    assert isinstance(encoded, Mapping)
    marked = zip(encoded["input_ids"], encoded["assistant_masks"], strict=True)
    return str(text), [token for token, is_marked in marked if is_marked]


def conversation_tokens(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], template: str | None = None, ask: bool = False
) -> list[int]:
    """By the tokenizer's template or the given one; `ask` ends it where the assistant is to speak."""
    found = tokenizer.apply_chat_template(
        [dict(message) for message in messages], chat_template=template, add_generation_prompt=ask, return_dict=False
    )
    return cast(list[int], found)
