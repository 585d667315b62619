"""The thinking toggle of Llama-Nemotron (arXiv 2505.00949): what asks for a think block, and what a reply has of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator

Mode = Literal["on", "off"]
Message = dict[str, str]  # role, content
MODES: tuple[Mode, ...] = ("on", "off")
OPENING, CLOSING = "<think>", "</think>"


def _as_yaml_reads_it(mode: object) -> object:
    """`on` and `off` without quotation marks are true and false in YAML."""
    return {True: "on", False: "off"}[mode] if isinstance(mode, bool) else mode


ModeInYaml = Annotated[Mode, BeforeValidator(_as_yaml_reads_it)]
_WELL_FORMED = re.compile(r"\s*<think>(?P<thinking>.*?)</think>(?P<answer>.*)", re.DOTALL)


def toggle(mode: Mode) -> str:
    """What the system message says."""
    return f"detailed thinking {mode}"


def mode_asked_for(messages: Sequence[Message]) -> Mode | None:
    """By the system message; None where it says neither."""
    system = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    return next((mode for mode in MODES if toggle(mode) in system), None)


def asked(question: str, mode: Mode) -> list[Message]:
    return [{"role": "system", "content": toggle(mode)}, {"role": "user", "content": question}]


def thought_reply(thinking: str, answer: str) -> str:
    return f"{OPENING}\n{thinking}\n{CLOSING}\n\n{answer}"


def is_well_formed(reply: str) -> bool:
    """One think block with something in it, at the start, and an answer after it."""
    match = _WELL_FORMED.fullmatch(reply)
    if match is None or reply.count(OPENING) != 1 or reply.count(CLOSING) != 1:
        return False
    return bool(match["thinking"].strip() and match["answer"].strip())


def has_tags(reply: str) -> bool:
    """Any part of a think block, well formed or not."""
    return OPENING in reply or CLOSING in reply


def final_answer(reply: str) -> str:
    """What comes after the think block; of a block that never ends, nothing."""
    if CLOSING in reply:
        return reply.rpartition(CLOSING)[2].strip()
    return "" if OPENING in reply else reply.strip()


def follows(reply: str, mode: Mode) -> bool:
    """Whether the reply does what the toggle says: a well-formed block when on, no trace of one when off."""
    return is_well_formed(reply) if mode == "on" else not has_tags(reply)
