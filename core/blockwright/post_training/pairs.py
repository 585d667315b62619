"""What reasoning SFT learns from: a question with its thinking under `on`, and with the answer alone under `off`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from blockwright.errors import UserError
from blockwright.post_training.json_lines import json_lines
from blockwright.post_training.questions import GeneratorSource, Question, draw
from blockwright.post_training.thinking import (
    MODES,
    OPENING,
    Message,
    Mode,
    asked,
    final_answer,
    mode_asked_for,
    thought_reply,
    toggle,
)
from blockwright.post_training.worked import is_worked, worked_steps

Conversation = list[Message]
ROLES = ("system", "user", "assistant")


def conversations(
    sources: Sequence[GeneratorSource], files: Sequence[Path], heldout: Sequence[Question]
) -> Iterator[Conversation]:
    """In the order of their sources; none asks a held-out question, and a file that does is a mistake."""
    unwanted = {question.text for question in heldout}
    for source in sources:
        for question in draw(source, "training", source.count, unwanted, is_worked):
            yield from pair(question.text, worked_steps(question) or "", question.answer)
    for file in files:
        for conversation in read_messages(file):
            _refuse_what_is_held_out(conversation, unwanted, file)
            yield conversation


def heldout_questions(sources: Sequence[GeneratorSource], count: int) -> list[Question]:
    """`count` in all, as equally as can be of each generator, of seeds that no training question has."""
    drawn: list[Question] = []
    for place, source in enumerate(sources):
        share = count // len(sources) + (place < count % len(sources))
        drawn += draw(source, "heldout", share, {question.text for question in drawn}, is_worked) if share else []
    return drawn


def pair(question: str, thinking: str, answer: str) -> list[Conversation]:
    on, off = ([*asked(question, mode)] for mode in MODES)
    on.append({"role": "assistant", "content": thought_reply(thinking, answer)})
    off.append({"role": "assistant", "content": answer})
    return [on, off]


def read_messages(file: Path) -> Iterator[Conversation]:
    """Lines of `{"messages": […]}` or `{"question", "thinking", "answer"}`.

    A conversation whose system message has the toggle is taken as it is. One without it, whose replies think, becomes
    two: as it is under `on`, and without its think blocks under `off`; one whose replies do not is taken under `off`.
    """
    for place, data in json_lines(file, "messages"):
        yield from _of_line(data, place)


def _of_line(data: Any, place: str) -> list[Conversation]:
    if isinstance(data, dict) and {"question", "answer"} <= data.keys():
        question, thinking, answer = (str(data.get(key, "")) for key in ("question", "thinking", "answer"))
        return pair(question, thinking, answer)[0 if thinking else 1 :]
    messages = _checked(data, place)
    return [messages] if mode_asked_for(messages) else _both_ways(messages)


def _checked(data: Any, place: str) -> Conversation:
    messages = data.get("messages") if isinstance(data, dict) else None
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        raise UserError(
            f'{place}: expected {{"messages": [{{"role": "user", "content": "…"}}, …]}} with roles {", ".join(ROLES)}'
        )
    if messages[-1]["role"] != "assistant":
        raise UserError(f"{place}: the last message must be the assistant's, which is what is learned")
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") in ROLES and isinstance(message.get("content"), str)


def _both_ways(messages: Conversation) -> list[Conversation]:
    thinks = any(OPENING in message["content"] for message in messages if message["role"] == "assistant")
    without = [
        {**message, "content": final_answer(message["content"])} if message["role"] == "assistant" else message
        for message in messages
    ]
    off = _with_toggle(without, "off")
    return [_with_toggle(messages, "on"), off] if thinks else [off]


def _with_toggle(messages: Conversation, mode: Mode) -> Conversation:
    said = toggle(mode)
    if messages[0]["role"] != "system":
        return [{"role": "system", "content": said}, *messages]
    return [{"role": "system", "content": f"{said}\n\n{messages[0]['content']}"}, *messages[1:]]


def _refuse_what_is_held_out(conversation: Conversation, unwanted: set[str], file: Path) -> None:
    for message in conversation:
        if message["role"] == "user" and message["content"] in unwanted:
            raise UserError(f"stages: {file} asks a held-out question: {message['content'][:60]!r}; take it out")
