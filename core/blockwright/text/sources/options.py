"""Options behind a source's name: `hub:owner/name?config=de&split=validation`, `notes/*.jsonl?field=body`."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import parse_qsl

from blockwright.errors import UserError, did_you_mean

_OPTIONS = re.compile(r"(?P<name>.*)\?(?P<options>\w+=[^?]*)")  # a `?` alone belongs to a glob


def split_options(source: str) -> tuple[str, dict[str, str]]:
    """The name without its options, and the options."""
    found = _OPTIONS.fullmatch(source)
    return (found["name"], dict(parse_qsl(found["options"], keep_blank_values=True))) if found else (source, {})


def refuse_unknown(options: Collection[str], known: Collection[str], where: str) -> None:
    wrong = [
        f"text: {where} has no option '{name}'{did_you_mean(name, known)}" for name in options if name not in known
    ]
    if wrong:
        raise UserError(*wrong)
